import { podKind } from '../kinds/pod.ts';
import type { PodView } from './authorizer.ts';
import { decodeEntry, objectKey } from './registry/codec.ts';
import { listObjects, wholeList } from './registry/list.ts';
import type { Resources } from './registry/resources.ts';

/** The authorizer's view of the stored pods. */
export function podView(resources: Resources): PodView {
  const pods = resources.of(podKind);
  return {
    get: async (namespace, name) => {
      const entry = await pods.store.get(objectKey(podKind, namespace, name));
      return entry && decodeEntry(podKind, entry);
    },
    onNode: async (namespace, node) => {
      const { items } = await listObjects(pods, {
        namespace,
        matches: (pod) => pod.spec.nodeName === node,
        ...wholeList,
      });
      return items;
    },
  };
}
