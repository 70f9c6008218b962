import 'reflect-metadata';
import { webcrypto, X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as x509 from '@peculiar/x509';
import type { Logger } from 'pino';
import { ApiError } from '../../api/client/api-error.ts';
import { ApiClient } from '../../api/client/client.ts';
import { AgentError } from '../agent-error.ts';
import type { AgentConfig, JoinConfig } from '../config/config.ts';
import { writeFileDurably } from '../durable-file.ts';

const ecdsa = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

/** What makes a node a member of the cluster; PEM texts. */
export interface NodeIdentity {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** The two halves of `weft1.<SHA-256 of the CA certificate's DER, hex>.<secret>`. */
export interface JoinToken {
  readonly text: string;
  readonly caHash: string;
}

/** Reads a join token. Throws AgentError `bad-token`. */
export function parseToken(raw: string): JoinToken {
  const text = raw.trim();
  const match = /^weft1\.([0-9a-f]{64})\.\S+$/.exec(text);
  if (!match?.[1]) {
    throw new AgentError(
      'bad-token',
      'the join token is not of the form weft1.….…',
      'copy all of what `weft token` prints on the server',
    );
  }
  return { text, caHash: match[1] };
}

/** Whether a PEM certificate is the one a token speaks of. */
export function isCertificateOf(token: JoinToken, pem: string): boolean {
  return new X509Certificate(pem).fingerprint256.replaceAll(':', '').toLowerCase() === token.caHash;
}

/** When a certificate should be replaced: after two thirds of its life. */
export function renewalTime(pem: string): Date {
  const { validFromDate, validToDate } = new X509Certificate(pem);
  const life = validToDate.getTime() - validFromDate.getTime();
  return new Date(validFromDate.getTime() + (life * 2) / 3);
}

/** The node's certificate, kept in `<stateDir>/pki`, got with the join token and renewed in time. */
export class Membership {
  readonly #config: AgentConfig;
  readonly #join: JoinConfig;
  readonly #log: Logger;
  readonly #dir: string;

  constructor(config: AgentConfig, joinConfig: JoinConfig, log: Logger) {
    this.#config = config;
    this.#join = joinConfig;
    this.#log = log;
    this.#dir = join(config.stateDir, 'pki');
  }

  /**
   * The identity on disk if it still serves, else a new one from the server, which is waited for.
   * Throws AgentError for what waiting cannot mend: a wrong token, a server with another CA.
   */
  async ensure(signal: AbortSignal): Promise<NodeIdentity> {
    const stored = this.#read();
    if (stored && this.#serves(stored)) return stored;
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await this.renew();
      } catch (error) {
        if (error instanceof AgentError && !waitingMayHelp.has(error.code)) throw error;
        if (attempt % 50 === 0) this.#warn(error);
        await sleep(Math.min(100 + attempt * 20, 5_000), undefined, { signal });
      }
    }
  }

  /** A new key and certificate from the server, written to disk. */
  async renew(): Promise<NodeIdentity> {
    const token = this.#readToken();
    const ca = await fetchAuthority(this.#config.server);
    if (!isCertificateOf(token, ca)) {
      throw new AgentError(
        'wrong-authority',
        `the server ${this.#config.server} is not the one that made the join token`,
        'check `server`, or copy a new token from `weft token` there',
      );
    }
    const { request, key } = await makeRequest(this.#config);
    const cert = await this.#submit(token, ca, request);
    const identity = { ca, cert, key };
    this.#write(identity);
    this.#log.info({ validUntil: new X509Certificate(cert).validTo }, 'joined');
    return identity;
  }

  #warn(error: unknown): void {
    if (error instanceof AgentError) this.#log.warn({ remedy: error.remedy }, error.message);
    else this.#log.warn({ err: error }, 'cannot join yet');
  }

  /** Whether a certificate is not due for renewal and names this node and the addresses that it has now. */
  isCurrent({ cert }: Pick<NodeIdentity, 'cert'>): boolean {
    const certificate = new X509Certificate(cert);
    return (
      renewalTime(cert) > new Date() &&
      certificate.checkHost(this.#config.nodeName) !== undefined &&
      this.#config.nodeIPs.every((ip) => certificate.checkIP(ip) !== undefined)
    );
  }

  #serves(identity: NodeIdentity): boolean {
    const { ca, cert } = identity;
    const isSigned = new X509Certificate(cert).verify(new X509Certificate(ca).publicKey);
    return isSigned && this.isCurrent(identity) && this.#matchesToken(ca);
  }

  /** A token that is gone proves nothing against the certificate we have. */
  #matchesToken(ca: string): boolean {
    const isThere = this.#join.token !== undefined || existsSync(this.#join.tokenFile);
    return !isThere || isCertificateOf(this.#readToken(), ca);
  }

  #readToken(): JoinToken {
    if (this.#join.token !== undefined) return parseToken(this.#join.token);
    try {
      return parseToken(readFileSync(this.#join.tokenFile, 'utf8'));
    } catch (cause) {
      if (cause instanceof AgentError) throw cause;
      const message = `the join token in ${this.#join.tokenFile} cannot be read`;
      throw new AgentError('no-token', message, 'put there what `weft token` prints on the server', cause);
    }
  }

  async #submit(token: JoinToken, ca: string, csr: string): Promise<string> {
    const { server, nodeName, nodeIPs } = this.#config;
    const client = new ApiClient({ server, ca, token: token.text, userAgent: 'weft-agent' });
    try {
      const body = { nodeName, addresses: nodeIPs, csr };
      const answer = await client.request('POST', '/weft/v1/join', { body });
      return (answer as { certificate: string }).certificate;
    } catch (error) {
      if (!(error instanceof ApiError) || ![401, 403].includes(error.code)) throw error;
      throw new AgentError(
        'bad-token',
        `the server refuses the join token: ${error.message}`,
        'copy a new one from `weft token` there',
        error,
      );
    } finally {
      client.close();
    }
  }

  #read(): NodeIdentity | undefined {
    if (!['ca.crt', 'node.crt', 'node.key'].every((file) => existsSync(join(this.#dir, file))))
      return undefined;
    const [ca, cert, key] = (['ca.crt', 'node.crt', 'node.key'] as const).map((file) =>
      readFileSync(join(this.#dir, file), 'utf8'),
    );
    return ca && cert && key ? { ca, cert, key } : undefined;
  }

  #write(identity: NodeIdentity): void {
    mkdirSync(this.#dir, { recursive: true, mode: 0o700 });
    writeFileDurably(join(this.#dir, 'ca.crt'), identity.ca, 0o644);
    writeFileDurably(join(this.#dir, 'node.key'), identity.key, 0o600);
    writeFileDurably(join(this.#dir, 'node.crt'), identity.cert, 0o644);
  }
}

/** A server that starts, and a token that appears with it, are worth waiting for. */
const waitingMayHelp = new Set(['no-token', 'no-server']);

async function makeRequest({ nodeName, nodeIPs }: AgentConfig): Promise<{ request: string; key: string }> {
  const keys = await webcrypto.subtle.generateKey(ecdsa, true, ['sign', 'verify']);
  const names = [nodeName, ...nodeIPs];
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: [{ O: ['system:nodes'] }, { CN: [`system:node:${nodeName}`] }],
    keys,
    signingAlgorithm: ecdsa,
    extensions: [
      new x509.SubjectAlternativeNameExtension(
        names.map((value) => ({ type: nodeIPs.includes(value) ? 'ip' : 'dns', value })),
      ),
    ],
  });
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return { request: request.toString('pem'), key: `${x509.PemConverter.encode(pkcs8, 'PRIVATE KEY')}\n` };
}

/** The server's CA certificate, over a connection nobody vouches for: the caller compares its hash. */
function fetchAuthority(server: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const url = new URL('/weft/v1/ca', server);
    const outgoing = httpsRequest(
      url,
      { rejectUnauthorized: false, agent: false, timeout: 10_000 },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          if (response.statusCode === 200) resolve(text);
          else
            reject(
              new AgentError(
                'no-server',
                `${server} answers ${response.statusCode ?? 0} instead of its CA`,
                'check `server`',
              ),
            );
        });
      },
    );
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer in 10 s')));
    outgoing.on('error', (cause) => {
      reject(
        new AgentError(
          'no-server',
          `the API server ${server} cannot be reached: ${cause.message}`,
          'start it, or check `server`',
          cause,
        ),
      );
    });
    outgoing.end();
  });
}
