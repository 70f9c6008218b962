import type { Test } from 'tap';

import { listConntrack } from '../../conntrack.ts';
import { addresses } from '../network.ts';
import type { FamilyName, Place } from '../network.ts';
import type { Scene } from './scene.ts';

/** A UDP client that keeps its port: for the kernel one flow, whatever becomes of the Service. */
export class Flow {
  static #nextPort = 20_000;
  readonly #from = Flow.#nextPort++;
  readonly #scene: Scene;
  readonly #place: Place;
  readonly #to: string;

  constructor(scene: Scene, place: Place, to: string) {
    this.#scene = scene;
    this.#place = place;
    this.#to = to;
  }

  /** Who answers it now, in every family. */
  async reaches(t: Test, gets: string, why: string): Promise<void> {
    const { network, families } = this.#scene;
    for (const family of families) {
      const { address, port } = this.#scene.locate(family, this.#to);
      const options = { from: this.#from, timeoutMs: gets === 'nothing' ? 400 : 10_000 };
      const answer = await network.ask(this.#place, 'udp', address, port, options);
      t.equal(this.#scene.describe(family, answer), gets, `${family} ${this.#place} → ${this.#to}: ${why}`);
    }
  }

  /** Where its tracked connection leads, by family. */
  tracked(): string[] {
    const { network, families } = this.#scene;
    const flows = network.onNode(() => listConntrack('udp'));
    return families.flatMap((family) => {
      const { address, port } = this.#scene.locate(family, this.#to);
      return flows
        .filter(({ origDst, origDstPort }) => origDst === address && origDstPort === port)
        .map(({ replySrc }) => `${family} ${nameOf(family, replySrc)}`);
    });
  }
}

function nameOf(family: FamilyName, address: string): string {
  return Object.entries(addresses[family]).find(([, each]) => each === address)?.[0] ?? address;
}
