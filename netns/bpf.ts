/** One instruction of classic BPF (linux/filter.h, struct sock_filter). */
export interface FilterInstruction {
  readonly code: number;
  readonly jumpTrue?: number;
  readonly jumpFalse?: number;
  readonly value: number;
}

/** linux/bpf_common.h: load 4, 2 or 1 bytes in network order from where the packet begins, compare, return. */
const load = { 4: 0x20, 2: 0x28, 1: 0x30 } as const;
const jumpIfEqual = 0x15;
const finish = 0x06;

/**
 * A step of a program that decides by comparing bytes with constants: it loads `width` bytes at `at` and goes on at
 * the step that is named `isEqual` or `otherwise`; without a name, at the next one.
 */
export interface Comparison {
  readonly name?: string;
  readonly at: number;
  readonly width: 1 | 2 | 4;
  readonly value: number;
  readonly isEqual?: string;
  readonly otherwise?: string;
}

/** A step that ends the program. */
export interface Ending {
  readonly name: string;
  readonly result: number;
}

/**
 * Classic BPF (linux/filter.h) for named steps. All jumps lead forward, over at most 255 instructions: the kernel has
 * no others.
 */
export function assemble(steps: readonly (Comparison | Ending)[]): FilterInstruction[] {
  const places = new Map<string, number>();
  let length = 0;
  for (const step of steps) {
    if (step.name !== undefined) places.set(step.name, length);
    length += 'result' in step ? 1 : 2;
  }
  const program: FilterInstruction[] = [];
  const distance = (name: string | undefined): number => {
    if (name === undefined) return 0;
    const skipped = (places.get(name) ?? -1) - program.length - 2;
    if (skipped < 0 || skipped > 255) throw new RangeError(`no jump forward to step ${name}`);
    return skipped;
  };
  for (const step of steps) {
    if ('result' in step) {
      program.push({ code: finish, value: step.result >>> 0 });
      continue;
    }
    const [jumpTrue, jumpFalse] = [distance(step.isEqual), distance(step.otherwise)];
    program.push(
      { code: load[step.width], value: step.at >>> 0 },
      { code: jumpIfEqual, value: step.value >>> 0, jumpTrue, jumpFalse },
    );
  }
  return program;
}
