interface TwoSided {
  spec: unknown;
  status?: unknown;
}

/** The hooks of a kind whose spec its users write, and whose status somebody else: neither touches the other's. */
export const specAndStatus = {
  prepareForUpdate<T extends TwoSided>(object: T, old: T): void {
    if (old.status) object.status = old.status;
  },
  prepareForStatusUpdate<T extends TwoSided>(object: T, old: T): void {
    object.spec = old.spec;
  },
};
