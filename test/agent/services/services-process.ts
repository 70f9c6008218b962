/** Service rules as a process of its own, for a test that runs it in a network namespace. Ends with its input. */

import { makeRules } from './rules-fixture.ts';

const [backend = 'iptables'] = process.argv.slice(2);
const { endpointSlices, messages, metrics, reasons, rules, services, sync } = makeRules(backend, [
  '192.0.2.1',
]);
services.set({
  metadata: { name: 'nginxsvc', namespace: 'default' },
  spec: { clusterIP: '10.96.1.2', clusterIPs: ['10.96.1.2'], ports: [{ port: 80, protocol: 'TCP' }] },
});
endpointSlices.set({
  metadata: {
    name: 'nginxsvc-1',
    namespace: 'default',
    labels: { 'kubernetes.io/service-name': 'nginxsvc' },
  },
  addressType: 'IPv4',
  ports: [{ name: '', port: 8080, protocol: 'TCP' }],
  endpoints: [{ addresses: ['10.244.1.2'] }, { addresses: ['10.244.2.2'] }],
});
sync();
await rules.start();
const count = async (name: string): Promise<number> =>
  (await metrics.getSingleMetric(`weft_services_${name}_total`)?.get())?.values[0]?.value ?? 0;
const tell = async (): Promise<void> => {
  const counts = { repairs: await count('repairs'), compares: await count('compares') };
  process.stdout.write(`${JSON.stringify({ ...rules.health(), reasons, messages, ...counts })}\n`);
};
const report = setInterval(() => void tell(), 50);
process.stdin.on('end', () => {
  clearInterval(report);
  void rules.stop();
});
process.stdin.resume();
