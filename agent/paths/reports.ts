import { Counter, Gauge } from 'prom-client';
import type { Registry } from 'prom-client';
import { NodeEvents } from '../node/events.ts';
import type { AgentContext } from '../subsystem.ts';
import { describeNarrow, isNarrow } from './finding.ts';
import type { PathFinding } from './finding.ts';

export type ReportContext = Pick<AgentContext, 'nodeName' | 'client' | 'log'> & {
  readonly caches: Pick<AgentContext['caches'], 'nodes'>;
};

/** More peers than these with the same trouble have one cause, which the first Events tell. */
const mostEvents = 5;

/** Tells people what was found out about the ways to peers: lines in the log and Events on this Node. */
export class PathReports {
  readonly #log: ReportContext['log'];
  readonly #events: NodeEvents;
  readonly #told = new Set<string>();

  constructor(context: ReportContext) {
    this.#log = context.log;
    this.#events = new NodeEvents(context, context.log);
  }

  /** @param before what was known of the same way; undefined: nothing */
  noteMtu(finding: PathFinding, before: PathFinding | undefined): void {
    if (finding.mtu === before?.mtu) return;
    const { node, range, mtu: expected } = finding.target;
    const fields = { node, range, mtu: finding.mtu, expected };
    if (isNarrow(finding)) {
      const message = describeNarrow(finding);
      this.#log.warn(fields, message);
      if (this.#told.size >= mostEvents && !this.#told.has(range)) return;
      this.#told.add(range);
      this.#events.record('Warning', 'PathMTUTooSmall', message);
    } else if (before && isNarrow(before)) {
      const message = `packets of ${expected} bytes reach node ${node} again`;
      this.#log.info(fields, message);
      if (this.#told.delete(range)) this.#events.record('Normal', 'PathMTURestored', message);
    }
  }

  noteOffload(node: string, message: string): void {
    this.#log.warn({ node }, message);
    this.#events.record('Warning', 'ChecksumOffloadBroken', message);
  }
}

/** What can be counted about the ways to peers; `read` gives them as they are now. */
export function makePathMetrics(
  registry: Registry,
  read: () => {
    readonly unknown: number;
    readonly findings: readonly PathFinding[];
    readonly offloadBroken: boolean;
  },
): { readonly probes: Counter<'kind'> } {
  const registers = [registry];
  new Gauge({
    name: 'weft_path_ranges',
    help: "Peers' pod ranges by what is known of the way there: well, narrow, silent or unknown.",
    labelNames: ['state'],
    registers,
    collect() {
      const { unknown, findings } = read();
      const silent = findings.filter(({ silences }) => silences > 0);
      const narrow = findings.filter((finding) => finding.silences === 0 && isNarrow(finding));
      this.set({ state: 'unknown' }, unknown);
      this.set({ state: 'silent' }, silent.length);
      this.set({ state: 'narrow' }, narrow.length);
      this.set({ state: 'well' }, findings.length - silent.length - narrow.length);
    },
  });
  new Gauge({
    name: 'weft_path_mtu_bytes',
    help: 'The longest packet that reaches a peer, where it is less than pods send.',
    labelNames: ['node', 'family'],
    registers,
    collect() {
      this.reset();
      for (const { target, mtu = 0 } of read().findings.filter(isNarrow)) {
        this.set({ node: target.node, family: target.family }, mtu);
      }
    },
  });
  new Gauge({
    name: 'weft_vxlan_checksum_offload_broken',
    help: '1 where checksum offload is switched off for the vxlan device because it spoils checksums.',
    registers,
    collect() {
      this.set(read().offloadBroken ? 1 : 0);
    },
  });
  return {
    probes: new Counter({
      name: 'weft_path_probes_total',
      help: 'Packets sent to find out about the ways to peers.',
      labelNames: ['kind'],
      registers,
    }),
  };
}
