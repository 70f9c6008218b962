import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Backend } from '../../iptables/backend.ts';
import { runCommand } from '../../iptables/command.ts';
import type { Run } from '../../iptables/command.ts';
import type { NftDoor } from '../../iptables/nftables-door.ts';
import { IptablesBackend } from '../../iptables/iptables.ts';
import type { Ruleset } from '../../iptables/model.ts';
import { NftablesBackend } from '../../iptables/nftables.ts';
import type { BaseChain } from '../../iptables/trace/program.ts';
import { readRules } from '../../iptables/trace/read.ts';
import { createNamespace, removeNamespace, runInNamespace } from '../../netns/namespace.ts';
import { doorOn } from './nft-door.ts';

/** Everything that can hold our rules. */
export const backends: Readonly<Record<string, (run: Run, door: NftDoor) => Backend>> = {
  'iptables-nft': (run) => new IptablesBackend('nft', run),
  'iptables-legacy': (run) => new IptablesBackend('legacy', run),
  nftables: (run, door) => new NftablesBackend(run, door),
};

/** An empty network namespace whose kernel takes rules and lists them again: there are no packets in it. */
export class RuleNamespace implements Disposable {
  readonly #name: string;
  readonly #lockFile: string;
  readonly #make: () => Backend;
  #backend: Backend;
  /** Runs rule programs in the namespace. */
  readonly run: Run;
  /** Reads and writes elements in the namespace. */
  readonly door: NftDoor;

  constructor(backend: string) {
    const make = backends[backend];
    if (!make) throw new TypeError(`no such backend: ${backend}`);
    this.#name = `weft-t-rules-${backend}-${String(process.pid)}`;
    this.#lockFile = join(tmpdir(), `${this.#name}.lock`);
    process.env['XTABLES_LOCKFILE'] = this.#lockFile;
    createNamespace(this.#name).close();
    this.run = (program, args, input) => this.#within(() => runCommand(program, args, input));
    this.door = doorOn({ onNode: (act) => this.#within(act) });
    this.#make = () => make(this.run, this.door);
    this.#backend = this.#make();
  }

  /** The backend forgets everything, as when its daemon starts anew. */
  restart(): void {
    this.#backend = this.#make();
  }

  /**
   * Makes the kernel hold these rules, and reads from it what it holds then.
   * With `changed`, only these Services differ from the last time.
   */
  async load(rules: Ruleset, changed?: ReadonlySet<string>): Promise<BaseChain[]> {
    await this.#backend.sync(rules, changed);
    return this.#within(() => readRules(this.run));
  }

  [Symbol.dispose](): void {
    removeNamespace(this.#name);
    rmSync(this.#lockFile, { force: true });
  }

  #within<T>(act: () => T): T {
    return runInNamespace(this.#name, act);
  }
}
