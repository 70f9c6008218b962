import { X509Certificate } from 'node:crypto';
import type { Logger } from 'pino';
import type { Membership, NodeIdentity } from './join.ts';
import { Runner } from '../runner.ts';
import type { Health, Subsystem } from '../subsystem.ts';

const checkMs = 3_600_000;

/**
 * Replaces the node's certificate when two thirds of its life are over and when the node has other addresses, without a
 * restart.
 */
export class CertificateRenewal implements Subsystem {
  readonly name = 'certificate';
  readonly #membership: Pick<Membership, 'renew' | 'isCurrent'>;
  readonly #onRenewed: (identity: NodeIdentity) => void;
  readonly #runner: Runner;
  #identity: NodeIdentity;

  constructor(
    membership: Pick<Membership, 'renew' | 'isCurrent'>,
    identity: NodeIdentity,
    onRenewed: (identity: NodeIdentity) => void,
    log: Logger,
  ) {
    this.#membership = membership;
    this.#identity = identity;
    this.#onRenewed = onRenewed;
    this.#runner = new Runner({
      run: () => this.#ensureFresh(),
      minIntervalMs: 1_000,
      maxIntervalMs: checkMs,
      retryMs: 1_000,
      onError: (error, nextMs) =>
        log.error({ err: error, nextMs, validUntil: this.#expiry() }, "cannot renew the node's certificate"),
    });
  }

  start(): Promise<void> {
    this.#runner.start();
    return Promise.resolve();
  }

  /** Looks whether the certificate names the node's addresses of now. */
  noteAddresses(): void {
    this.#runner.wake();
  }

  stop(): Promise<void> {
    return this.#runner.stop();
  }

  health(): Health {
    const expiry = this.#expiry();
    if (expiry > new Date()) return { ready: true };
    return {
      ready: false,
      reason: `the node's certificate expired at ${expiry.toISOString()}: check the join token`,
    };
  }

  #expiry(): Date {
    return new X509Certificate(this.#identity.cert).validToDate;
  }

  async #ensureFresh(): Promise<void> {
    if (this.#membership.isCurrent(this.#identity)) return;
    this.#identity = await this.#membership.renew();
    this.#onRenewed(this.#identity);
  }
}
