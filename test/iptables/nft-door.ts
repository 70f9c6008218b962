import type { Element, Layout, NftDoor, NftTransaction } from '../../iptables/nftables-door.ts';
import { NetlinkDoor } from '../../iptables/nftables-netlink.ts';
import { elementText } from '../../iptables/nftables-text.ts';
import type { TestNetwork } from './network.ts';

/** The real kernel, as an agent on the network's node would meet it. */
export function doorOn(network: Pick<TestNetwork, 'onNode'>, door: NftDoor = new NetlinkDoor()): NftDoor {
  return {
    generation: () => network.onNode(() => door.generation()),
    readLayout: () => network.onNode(() => door.readLayout()),
    readElements: (object, visit) => network.onNode(() => door.readElements(object, visit)),
    apply: (transaction) => {
      network.onNode(() => {
        door.apply(transaction);
      });
    },
  };
}

/** A kernel that takes everything and remembers elements; `written` is what it was told, as `nft` would be. */
export class FakeDoor implements NftDoor {
  readonly written: string[];
  readonly #elements = new Map<string, Element>();
  /** What {@link readLayout} finds; undefined until there is a table. */
  layout: Layout | undefined;

  constructor(written: string[] = []) {
    this.written = written;
  }

  generation(): undefined {
    return undefined;
  }

  readLayout(): Layout | undefined {
    return this.layout;
  }

  readElements(object: string, visit: (element: Element) => void): boolean {
    for (const element of this.#elements.values()) if (element.object === object) visit(element);
    return true;
  }

  apply({ removed, added }: NftTransaction): void {
    for (const element of removed) {
      this.#elements.delete(elementText({ object: element.object, key: element.key }));
      this.written.push(`delete ${elementText({ object: element.object, key: element.key })}`);
    }
    for (const element of added) {
      this.#elements.set(elementText({ object: element.object, key: element.key }), { ...element });
      const comment = element.comment === undefined ? '' : ` comment "${element.comment}"`;
      this.written.push(`add ${elementText(element)}${comment}`);
    }
  }
}
