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

/** An endpoint, and which of the sets that list endpoints it is in. */
interface EndpointState {
  readonly endpoint: EndpointKey;
  readonly hairpin: boolean;
  readonly far: boolean;
}

/** A step from one wanted state to another. */
export interface WantedChange {
  readonly frontends: readonly Change[];
  /** The endpoints it concerns, as they were before. */
  readonly endpoints: readonly EndpointState[];
}

/** From so many frontends on, comparing everything costs no more than following each. */
const followedFrontends = 2000;

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

  /**
   * Puts Services in the place of what they were, or removes them. Returns undefined when too much changed to be followed
   * by {@link diff}.
   */
  update(
    services: Iterable<readonly [key: string, service: CompiledService | undefined]>,
  ): WantedChange | undefined {
    const frontends = new Map<string, Change>();
    for (const [key, service] of services) {
      for (const { id, before, after } of this.frontends.update(key, service)) {
        const known = frontends.get(id);
        // From one Service to the next and on: what counts is the way from the first to the last.
        frontends.set(id, { before: known ? known.before : before, after });
      }
    }
    const changes = [...frontends.values()];
    const followed = changes.length <= followedFrontends;
    const endpoints = followed ? changes.flatMap(endpointsOf).map((endpoint) => this.#stateOf(endpoint)) : [];
    for (const { before, after } of changes) this.#index.update(before, after);
    return followed ? { frontends: changes, endpoints } : undefined;
  }

  /**
   * The elements of a step that has been made, from the state when `settings` held.
   * @throws RulesError REFUSED when a frontend cannot be written as elements
   */
  diff({ frontends, endpoints }: WantedChange, settings: NodeSettings): ElementDiff {
    const moved = settings !== this.settings;
    const before: Element[] = moved ? renderSettings(settings) : [];
    const after: Element[] = moved ? renderSettings(this.settings) : [];
    for (const change of frontends) {
      if (change.before) before.push(...renderFrontendElements(change.before, this.settings).elements);
      if (change.after) after.push(...this.#render(change.after));
    }
    for (const state of endpoints) {
      before.push(...stateElements(state));
      after.push(...stateElements(this.#stateOf(state.endpoint)));
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

  #stateOf(endpoint: EndpointKey): EndpointState {
    return {
      endpoint,
      hairpin: this.#index.isHairpin(endpoint.address),
      far: this.#index.isFar(endpoint),
    };
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

function endpointsOf({ before, after }: Change): EndpointKey[] {
  return [before, after].flatMap((frontend) => {
    const { protocol = 'tcp', endpoints = [], outside = [] } = frontend ?? {};
    return [...endpoints, ...outside].map(({ address, port }) => ({ protocol, address, port }));
  });
}

function stateElements({ endpoint, hairpin, far }: EndpointState): Element[] {
  return [...(hairpin ? [hairpinElement(endpoint.address)] : []), ...(far ? [farElement(endpoint)] : [])];
}
