import { ElementRefusal } from '../../iptables/nftables-door.ts';
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

/** A kernel that remembers elements, and refuses as the real one does; `written` is what it was told, as `nft` would be. */
export class FakeDoor implements NftDoor {
  readonly written: string[];
  readonly elements = new Map<string, Element>();
  /** What {@link readLayout} finds; undefined until there is a table. */
  layout: Layout | undefined;
  /** What {@link generation} tells; undefined where the kernel cannot tell. */
  count: number | undefined;
  /** How often elements were read. */
  reads = 0;

  constructor(written: string[] = []) {
    this.written = written;
  }

  generation(): number | undefined {
    return this.count;
  }

  readLayout(): Layout | undefined {
    return this.layout;
  }

  readElements(object: string, visit: (element: Element) => void): boolean {
    this.reads += 1;
    for (const element of this.elements.values()) if (element.object === object) visit(element);
    return true;
  }

  apply({ removed, added }: NftTransaction): void {
    const [gone, come] = [[...removed], [...added]];
    const left = new Map(this.elements);
    for (const element of gone) {
      if (!left.delete(nameOf(element))) throw new ElementRefusal('ENOENT', element);
    }
    for (const element of come) {
      const there = left.get(nameOf(element));
      if (there && !there.value?.equals(element.value ?? there.key))
        throw new ElementRefusal('EBUSY', element);
      left.set(nameOf(element), element);
    }
    this.elements.clear();
    for (const [name, element] of left) this.elements.set(name, element);
    if (this.count !== undefined) this.count += 1;
    for (const element of gone) this.written.push(`delete ${nameOf(element)}`);
    for (const element of come) {
      const comment = element.comment === undefined ? '' : ` comment "${element.comment}"`;
      this.written.push(`add ${elementText(element)}${comment}`);
    }
  }
}

function nameOf({ object, key }: Element): string {
  return elementText({ object, key });
}
