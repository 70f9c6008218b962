import { EndpointIndex } from './endpoint-index.ts';
import type { EndpointKey } from './endpoint-index.ts';
import { RulesError } from './error.ts';
import { FrontendTable } from './frontends.ts';
import type { CompiledService, Frontend, NodeSettings } from './model.ts';
import { classChain } from './nftables-banks.ts';
import type { EndpointClass } from './nftables-banks.ts';
import { classElement, listSplitElements } from './nftables-classes.ts';
import { diffElements, ElementTable } from './nftables-compare.ts';
import type { ElementDiff } from './nftables-compare.ts';
import type { Element } from './nftables-door.ts';
import { farElement, hairpinElement, renderFrontendElements, renderSettings } from './nftables-elements.ts';
import { listObjects } from './nftables-objects.ts';

/** What one frontend was and is; undefined: not there. */
interface Change {
  readonly before: Frontend | undefined;
  readonly after: Frontend | undefined;
}

/** A step from one wanted state to another. */
export interface WantedChange {
  readonly frontends: readonly Change[];
  /** Addresses and endpoints that may have come to or gone from the sets that list endpoints, and whether they were in. */
  readonly hairpin: ReadonlyMap<string, boolean>;
  readonly far: ReadonlyMap<string, { readonly key: EndpointKey; readonly was: boolean }>;
}

/**
 * The elements that the kernel should have. None of them is kept: they follow from the frontends, whose elements are
 * theirs alone; only endpoints, which frontends share, are counted.
 */
export class WantedElements {
  /** May be replaced by some with the same ranges of the cluster, of Services and of this node's pods. */
  settings: NodeSettings;
  readonly frontends = new FrontendTable();
  readonly #index: EndpointIndex;
  /** Classes that a frontend has or had, by their chain. */
  readonly classes = new Map<string, EndpointClass>();

  constructor(settings: NodeSettings) {
    this.settings = settings;
    this.#index = new EndpointIndex(settings);
  }

  /** Puts Services in the place of what they were, or removes them. */
  update(services: Iterable<readonly [key: string, service: CompiledService | undefined]>): WantedChange {
    const frontends = new Map<string, Change>();
    for (const [key, service] of services) {
      for (const { id, before, after } of this.frontends.update(key, service)) {
        const known = frontends.get(id);
        // From one Service to the next and on: what counts is the way from the first to the last.
        frontends.set(id, { before: known ? known.before : before, after });
      }
    }
    const changes = [...frontends.values()];
    const hairpin = new Map<string, boolean>();
    const far = new Map<string, { key: EndpointKey; was: boolean }>();
    for (const { before, after } of changes) {
      for (const key of [...endpointsOf(before), ...endpointsOf(after)]) {
        hairpin.set(key.address, this.#index.isHairpin(key.address));
        far.set(`${key.protocol} ${key.address} ${String(key.port)}`, { key, was: this.#index.isFar(key) });
      }
    }
    for (const { before, after } of changes) this.#index.update(before, after);
    return { frontends: changes, hairpin, far };
  }

  /**
   * The elements of a step that has been made, from the state when `settings` held.
   * @throws RulesError REFUSED when a frontend cannot be written as elements
   */
  diff({ frontends, hairpin, far }: WantedChange, settings: NodeSettings): ElementDiff {
    const moved = settings !== this.settings;
    const before: Element[] = moved ? renderSettings(settings) : [];
    const after: Element[] = moved ? renderSettings(this.settings) : [];
    for (const change of frontends) {
      if (change.before) before.push(...renderFrontendElements(change.before, this.settings).elements);
      if (change.after) after.push(...this.#render(change.after));
    }
    for (const [address, was] of hairpin) {
      if (was) before.push(hairpinElement(address));
      if (this.#index.isHairpin(address)) after.push(hairpinElement(address));
    }
    for (const { key, was } of far.values()) {
      if (was) before.push(farElement(key));
      if (this.#index.isFar(key)) after.push(farElement(key));
    }
    return diffElements(before, after);
  }

  /** All elements, a table for each set and map. @throws RulesError like {@link diff} */
  tables(): ElementTable[] {
    const tables = new Map(
      listObjects()
        .filter(({ dynamic }) => dynamic !== true)
        .map((object) => [object.name, new ElementTable(object)]),
    );
    const add = (element: Element): void => {
      tables.get(element.object)?.add(element);
    };
    for (const frontend of this.frontends.owned()) this.#render(frontend).forEach(add);
    for (const address of this.#index.hairpin()) add(hairpinElement(address));
    for (const endpoint of this.#index.far()) add(farElement(endpoint));
    renderSettings(this.settings).forEach(add);
    listSplitElements().forEach(add);
    for (const endpointClass of this.classes.values()) add(classElement(endpointClass));
    return [...tables.values()];
  }

  /** Whether this Service has an element like this one, or cannot be written as elements at all. */
  isToBlame(service: CompiledService, element: Pick<Element, 'object' | 'key'> | undefined): boolean {
    try {
      return service.frontends.some((frontend) =>
        renderFrontendElements(frontend, this.settings).elements.some(
          ({ object, key }) => object === element?.object && key.equals(element.key),
        ),
      );
    } catch (error) {
      if (error instanceof RulesError) return true;
      throw error;
    }
  }

  #render(frontend: Frontend): readonly Element[] {
    const { elements, classes } = renderFrontendElements(frontend, this.settings);
    for (const endpointClass of classes) {
      const chain = classChain(endpointClass);
      if (!this.classes.has(chain)) this.classes.set(chain, endpointClass);
    }
    return elements;
  }
}

function endpointsOf(frontend: Frontend | undefined): EndpointKey[] {
  if (!frontend) return [];
  const { protocol, endpoints, outside = [] } = frontend;
  return [...endpoints, ...outside].map(({ address, port }) => ({ protocol, address, port }));
}
