/**
 * Service rules as a process of its own, for a test that runs it in a network namespace. What it knows of the cluster it
 * reads from its input, an object as JSON per line (one with a deletionTimestamp is gone); it ends with it. Tells its
 * state as services-process.ts does.
 */
import { createInterface } from 'node:readline';

import type { EndpointSlice } from '../../../api/kinds/endpoint-slice.ts';
import type { Service } from '../../../api/kinds/service.ts';
import { makeRules } from './rules-fixture.ts';

const [backend = 'nftables', ...nodeIPs] = process.argv.slice(2);
const { endpointSlices, messages, reasons, rules, services, sync } = makeRules(backend, nodeIPs);
sync();
await rules.start();
const report = setInterval(() => {
  process.stdout.write(`${JSON.stringify({ ...rules.health(), reasons, messages })}\n`);
}, 20);
for await (const line of createInterface({ input: process.stdin })) {
  const object = JSON.parse(line) as Service | EndpointSlice;
  if ('endpoints' in object) endpointSlices.set(object);
  else if (object.metadata.deletionTimestamp) services.delete(`default/${object.metadata.name}`);
  else services.set(object);
}
clearInterval(report);
await rules.stop();
