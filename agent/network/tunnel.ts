/** How a node's vxlan device listens. */
export interface Tunnel {
  /** UDP port. */
  readonly port: number;
  /** Network identifier, 1 to 16777215. */
  readonly vni: number;
}

/** As other nodes read it from a Node object's annotation: `{"vni":117,"port":8472}`. */
export function renderTunnel({ vni, port }: Tunnel): string {
  return JSON.stringify({ vni, port });
}

/** What {@link renderTunnel} made; undefined for everything else. */
export function parseTunnel(text: string | undefined): Tunnel | undefined {
  const [, vni, port] = /^\{"vni":(\d{1,8}),"port":(\d{1,5})\}$/.exec(text ?? '') ?? [];
  const tunnel = { vni: Number(vni), port: Number(port) };
  return isWithin(tunnel.vni, 0xffffff) && isWithin(tunnel.port, 0xffff) ? tunnel : undefined;
}

function isWithin(number: number, most: number): boolean {
  return number >= 1 && number <= most;
}
