import type { DnsServerProcess } from './dns-server.ts';
import { median } from './statistics.ts';

const rounds = 5;

/**
 * The median of what each server did, by its name. Round by round, so that noise meets all alike; the first one only
 * warms up.
 */
export async function measureRounds(
  servers: readonly DnsServerProcess[],
  measure: (server: DnsServerProcess) => Promise<number>,
): Promise<Medians> {
  const measured = new Map(servers.map(({ name }) => [name, [] as number[]]));
  for (let round = 0; round <= rounds; round += 1) {
    for (const server of servers) {
      const value = await measure(server);
      if (round > 0) measured.get(server.name)?.push(value);
    }
  }
  return new Medians(measured);
}

/** Medians by server. */
export class Medians {
  readonly #values: ReadonlyMap<string, number>;

  constructor(measured: ReadonlyMap<string, readonly number[]>) {
    this.#values = new Map([...measured].map(([name, values]) => [name, median(values)]));
  }

  of(name: string): number {
    const value = this.#values.get(name);
    if (value === undefined) throw new Error(`${name} was not measured`);
    return value;
  }

  /** Those of everybody else. */
  except(...names: readonly string[]): Record<string, number> {
    return Object.fromEntries([...this.#values].filter(([name]) => !names.includes(name)));
  }
}
