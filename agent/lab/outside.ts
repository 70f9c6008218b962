import { createServer } from 'node:http';
import { startDnsServer } from '../../dns/server.ts';
import { staticZone } from '../../dns/static-zone.ts';

/** What the lab's upstream DNS server knows: the names under .test (RFC 6761) of the host outside. */
function recordsOf(addresses: readonly string[]): string[] {
  return addresses.map((address) => `${address.includes(':') ? 'AAAA' : 'A'} ${address}`);
}

/**
 * The host outside the cluster: a DNS server, which the nodes forward to, and a web server that answers with the
 * address the request came from. Runs until it is ended.
 */
export async function runOutside(addresses: readonly string[]): Promise<void> {
  const records = recordsOf(addresses);
  const dns = await startDnsServer({
    addresses: addresses.map((host) => ({ host, port: 53 })),
    handler: staticZone({ 'example.test': records, 'www.example.test': records }),
    onError: (error) => process.stderr.write(`dns: ${String(error)}\n`),
  });
  const webs = addresses.map((host) => {
    const web = createServer((request, response) => {
      response.setHeader('content-type', 'text/plain');
      response.end(`${request.socket.remoteAddress ?? ''}\n`);
    });
    return web.listen({ host, port: 80 });
  });
  await new Promise<void>((resolve) => process.once('SIGTERM', resolve).once('SIGINT', resolve));
  for (const web of webs) web.close().closeAllConnections();
  await dns.close();
}
