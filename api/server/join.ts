import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import { join } from 'node:path';
import type { Authority } from './authority.ts';
import { nodesGroup } from './authentication.ts';
import { readIfPresent, writeDurably } from './durable-file.ts';
import { readObject } from './http/body.ts';
import { sendJson, sendText } from './http/exchange.ts';
import type { Exchange } from './http/exchange.ts';
import { badRequest, methodNotAllowed, noSuchPath, StatusError } from './status-error.ts';

/**
 * How nodes become members: `GET /weft/v1/ca` hands out the authority's certificate, which the joining node checks
 * against the fingerprint in its token; `POST /weft/v1/join` with the token signs the node's certificate request.
 */
export class JoinEndpoint {
  readonly #authority: Authority;
  readonly token: string;

  private constructor(authority: Authority, token: string) {
    this.#authority = authority;
    this.token = token;
  }

  /** Reads the token from `<stateDir>/token`, or makes one. A token of another authority is replaced. */
  static async open(stateDir: string, authority: Authority): Promise<JoinEndpoint> {
    const file = join(stateDir, 'token');
    const prefix = `weft1.${authority.fingerprint}.`;
    const stored = (await readIfPresent(file))?.trim();
    if (stored?.startsWith(prefix) && stored.length > prefix.length)
      return new JoinEndpoint(authority, stored);
    const token = prefix + randomBytes(24).toString('base64url');
    await writeDurably(file, `${token}\n`, 0o600);
    return new JoinEndpoint(authority, token);
  }

  async handle(exchange: Exchange): Promise<void> {
    const { request, url } = exchange;
    if (url.pathname === '/weft/v1/ca') {
      if (request.method !== 'GET') throw methodNotAllowed();
      return sendText(exchange, 200, this.#authority.certificate, 'application/x-pem-file');
    }
    if (url.pathname !== '/weft/v1/join') throw noSuchPath();
    if (request.method !== 'POST') throw methodNotAllowed();
    this.#checkToken(request.headers.authorization);
    const { nodeName, addresses, csr } = readJoinRequest(await readObject(request));
    const names = [nodeName, ...addresses];
    const subject = { user: `system:node:${nodeName}`, groups: [nodesGroup], names };
    await sendJson(exchange, 200, { certificate: await this.#sign(subject, csr) });
  }

  async #sign(subject: Parameters<Authority['signRequest']>[0], csr: string): Promise<string> {
    try {
      return await this.#authority.signRequest(subject, csr);
    } catch (error) {
      throw badRequest(`csr: the certificate request cannot be used: ${(error as Error).message}`, error);
    }
  }

  #checkToken(header: string | undefined): void {
    // Of equal length whatever was sent, so that the comparison's time tells nothing.
    const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
    if (timingSafeEqual(digest(header ?? ''), digest(`Bearer ${this.token}`))) return;
    throw new StatusError({
      code: 401,
      reason: 'Unauthorized',
      message: 'the join token is not the one of this cluster',
    });
  }
}

interface JoinRequest {
  readonly nodeName: string;
  readonly addresses: readonly string[];
  /** PKCS #10 in PEM. */
  readonly csr: string;
}

/** RFC 1123 subdomain, as Kubernetes wants node names. */
const nodeNamePattern = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;

function readJoinRequest(value: unknown): JoinRequest {
  const { nodeName, addresses, csr } = (value ?? {}) as Partial<Record<keyof JoinRequest, unknown>>;
  if (typeof nodeName !== 'string' || !nodeNamePattern.test(nodeName)) {
    throw badRequest('nodeName: must be a lowercase RFC 1123 subdomain');
  }
  if (
    !Array.isArray(addresses) ||
    !addresses.every((address) => typeof address === 'string' && isIP(address) !== 0)
  ) {
    throw badRequest('addresses: must be a list of IP addresses');
  }
  if (typeof csr !== 'string') throw badRequest('csr: must be a PKCS #10 request in PEM');
  return { nodeName, addresses: addresses as string[], csr };
}
