import { execa } from 'execa';
import { runInNamespace } from '../../netns/namespace.ts';
import { Probe } from '../iptables/probe-client.ts';

/** Where a container of a runtime serves: its own HTTP, and UDP. */
export const containerPorts = { tcp: 8080, udp: 5300 } as const;
/** And by which ports of its node. */
export const hostPorts = { tcp: 8081, udp: 8082 } as const;
/** A machine with much else to do answers late. */
const patienceMs = 20_000;

interface PortQuestions {
  /** Network namespaces, by what they stand for. */
  readonly clients: Readonly<Record<string, string>>;
  /** The container's namespace, where a UDP server is started under its name: its image has none. */
  readonly netns: string;
  readonly name: string;
  /** Its node's. */
  readonly addresses: readonly string[];
}

/** Who answers at a node's ports, asked once by each client, at each address, by TCP and UDP. */
export async function askForPorts({
  clients,
  netns,
  name,
  addresses,
}: PortQuestions): Promise<{ question: string; answer: string }[]> {
  await using probes = new AsyncDisposableStack();
  const probeAt = (namespace: string): Probe => probes.adopt(new Probe(namespace), (probe) => probe.end());
  const server = { verb: 'serve', protocol: 'udp', address: '::', port: containerPorts.udp, name } as const;
  const served = await probeAt(netns).send(server);
  if (served !== 'ok') throw new Error(`no UDP server in ${netns}: ${served}`);
  const asked = Object.entries(clients).flatMap(([client, namespace]) => {
    const probe = probeAt(namespace);
    return addresses.flatMap((address) => {
      const question = {
        verb: 'ask',
        protocol: 'udp',
        address,
        port: hostPorts.udp,
        timeoutMs: patienceMs,
        from: 0,
      } as const;
      return [
        { question: `${client}, TCP to ${address}`, answer: fetchName(namespace, address) },
        {
          question: `${client}, UDP to ${address}`,
          answer: probe.send(question).then((text) => text.split(' ')[0] ?? ''),
        },
      ];
    });
  });
  return await Promise.all(asked.map(async ({ question, answer }) => ({ question, answer: await answer })));
}

/** `/cgi-bin/whoami` says who asks and who answers; this is who answers, or `curl:` and what it says. */
async function fetchName(namespace: string, address: string): Promise<string> {
  const host = address.includes(':') ? `[${address}]` : address;
  const url = `http://${host}:${hostPorts.tcp}/cgi-bin/whoami`;
  const args = ['-gsS', '--max-time', String(patienceMs / 1000), url];
  const asking = runInNamespace(namespace, () => execa('curl', args, { reject: false }));
  const { stdout, stderr } = await asking;
  return stdout.trim().split(' ')[1] ?? stderr;
}
