/** Host ports of a node as a process of its own. Each line of its input is the node's attachments; ends with it. */
import { createInterface } from 'node:readline';

import type { PortedAttachment } from '../../../agent/host-ports/compile.ts';
import { HostPorts } from '../../../agent/host-ports/host-ports.ts';
import { makeRules } from '../services/rules-fixture.ts';

const [backend = 'iptables', nodeIP = ''] = process.argv.slice(2);
let known = new Map<string, PortedAttachment>();
const listeners = new Set<(id: string) => void>();
const { messages, reasons, rules, sync } = makeRules(
  backend,
  [nodeIP],
  new HostPorts({
    attachments: () => [...known.values()],
    attachment: (id) => known.get(id),
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  }),
);
sync();
let started = false;
createInterface({ input: process.stdin })
  .on('line', (line) => {
    const before = known;
    known = new Map((JSON.parse(line) as PortedAttachment[]).map((each) => [each.id, each]));
    for (const id of new Set([...before.keys(), ...known.keys()])) for (const tell of listeners) tell(id);
    // The first of them are there before the daemon is, as leases are.
    if (!started) void rules.start();
    started = true;
  })
  .on('close', () => {
    clearInterval(report);
    void rules.stop();
  });
const report = setInterval(() => {
  process.stdout.write(`${JSON.stringify({ ...rules.health(), reasons, messages })}\n`);
}, 50);
