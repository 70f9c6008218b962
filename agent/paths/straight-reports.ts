import { Gauge } from 'prom-client';
import type { Registry } from 'prom-client';
import { NodeEvents } from '../node/events.ts';
import type { ReportContext } from './reports.ts';
import type { Proof } from './straight-proof.ts';
import { isBlocked } from './straight-proof.ts';
import type { StraightTarget } from './straight-target.ts';

/** More nodes than these have one cause, which the first Events tell. */
const mostEvents = 3;

/** In plain words: what was found, what is done about it, and what a person can do. */
export function describeBlocked({ node, way: { source, destination, gateway } }: StraightTarget): string {
  return (
    `node ${node} answers by vxlan, but not what goes from ${source} to ${destination} straight by ${gateway}: the ` +
    `network in between drops pods' addresses, so they go to that node by vxlan; to have them go straight switch its ` +
    `check of addresses off (source/destination check, port security, anti-spoofing), or set networkMode to vxlan to ` +
    `look no more`
  );
}

/** Tells people which ways `auto` cannot take. */
export class StraightReports {
  readonly #log: ReportContext['log'];
  readonly #events: NodeEvents;
  /** Nodes, each with the ranges that are blocked. */
  readonly #blocked = new Map<string, Set<string>>();

  constructor(context: ReportContext) {
    this.#log = context.log;
    this.#events = new NodeEvents(context, context.log);
  }

  note(target: StraightTarget, before: Proof, after: Proof): void {
    const { node, way } = target;
    const fields = { node, range: way.range, gateway: way.gateway };
    if (after.proven && !before.proven) this.#log.info(fields, "pods' packets go straight to a node");
    if (before.proven && !after.proven) {
      this.#log.warn(fields, "no echo comes straight from a node any more; pods' packets go by vxlan");
    }
    if (isBlocked(after)) this.#noteBlocked(target, fields);
    else if (after.proven) this.#notePassing(target);
  }

  /** What is no way any more needs no report. */
  forget({ node, way }: StraightTarget): void {
    const ranges = this.#blocked.get(node);
    if (ranges?.delete(way.range) === true && ranges.size === 0) this.#blocked.delete(node);
  }

  #noteBlocked(target: StraightTarget, fields: object): void {
    const { node, way } = target;
    const ranges = this.#blocked.get(node) ?? new Set<string>();
    if (ranges.has(way.range)) return;
    const isNews = ranges.size === 0 && this.#blocked.size < mostEvents;
    this.#blocked.set(node, ranges.add(way.range));
    const message = describeBlocked(target);
    this.#log.warn(fields, message);
    if (isNews) this.#events.record('Warning', 'PodAddressesDropped', message);
  }

  #notePassing(target: StraightTarget): void {
    const { node } = target;
    if (!this.#blocked.has(node)) return;
    this.forget(target);
    if (this.#blocked.has(node)) return;
    this.#events.record('Normal', 'PodAddressesPass', `pods' packets go straight to node ${node}`);
  }
}

/** Counts the straight ways; `read` gives what is known of each now. */
export function makeStraightMetric(registry: Registry, read: () => Iterable<Proof>): void {
  new Gauge({
    name: 'weft_path_straight_ranges',
    help: "Peers' pod ranges that networkMode auto may reach straight, by state: straight, blocked or unknown.",
    labelNames: ['state'],
    registers: [registry],
    collect() {
      const counts = { straight: 0, blocked: 0, unknown: 0 };
      for (const proof of read()) {
        counts[proof.proven ? 'straight' : isBlocked(proof) ? 'blocked' : 'unknown'] += 1;
      }
      for (const [state, count] of Object.entries(counts)) this.set({ state }, count);
    },
  });
}
