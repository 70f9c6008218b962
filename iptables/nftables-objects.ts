import { families } from './family.ts';
import type { FamilyTraits } from './family.ts';
import { bankObjects, banks, keyExpression } from './nftables-banks.ts';
import type { Bank } from './nftables-banks.ts';

/** One set or map of the skeleton, with the body of its declaration. */
interface SkeletonObject {
  readonly kind: 'set' | 'map';
  readonly name: string;
  readonly declaration: string;
}

/** Sets and maps: all that changes with Services, nodes and ranges is an element of one of these. */
export function listObjects(): SkeletonObject[] {
  return [...families.flatMap(familyObjects), ...banks.flatMap(objectsOfBank)];
}

function familyObjects(traits: FamilyTraits): SkeletonObject[] {
  const { suffix, nftProtocol: ip } = traits;
  const port = 'meta l4proto . th dport';
  const client = clientKey(traits);
  const set = (name: string, type: string, flags = ''): SkeletonObject => ({
    kind: 'set',
    name: `${name}${suffix}`,
    declaration: `typeof ${type}; ${flags}`,
  });
  return [
    ...['cluster', 'service-ranges', 'pods', 'stays', 'nodeport-addresses'].map((name) =>
      set(name, `${ip} daddr`, 'flags interval;'),
    ),
    set('dns', `${ip} daddr`),
    set('hairpin', `${ip} saddr . ${ip} daddr`),
    set('far', `${ip} daddr . ${port}`),
    ...['rejected', 'dropped', 'restricted'].map((name) => set(name, `${ip} daddr . ${port}`)),
    set('allowed', `${ip} daddr . ${port} . ${ip} saddr`, 'flags interval;'),
    ...['rejected-nodeports', 'dropped-nodeports'].map((name) => set(name, port)),
    {
      kind: 'map',
      name: `affinity${suffix}`,
      declaration: `${client.type} : meta mark; size 262144; flags dynamic,timeout;`,
    },
  ];
}

function objectsOfBank(bank: Bank): SkeletonObject[] {
  const objects = bankObjects(bank);
  const key = keyExpression(bank);
  const { nftAddressType: address } = bank.traits;
  const keyType = `${bank.by === 'address' ? `${address} . ` : ''}inet_proto . inet_service`;
  const map = (name: string, types: string): SkeletonObject => ({
    kind: 'map',
    name,
    declaration: `${types};`,
  });
  return [
    map(objects.services, `typeof ${key} : meta mark`),
    map(objects.classes, 'type mark : verdict'),
    // Not by typeof: data of `typeof tcp dport` makes nft match tcp only, and it refuses `th dport` there.
    map(objects.endpoints, `type ${keyType} . mark : ${address} . inet_service`),
    map(objects.slots, `typeof ${key} . numgen random mod 65536 : meta mark`),
  ];
}

/**
 * A client and the frontend it uses. nft 1.0.6 aborts on a map update whose key is longer than 16 bytes, so for IPv6 the
 * key is a hash of it: two clients that share one could only take turns at choosing anew.
 */
export function clientKey({ family, nftProtocol: ip }: FamilyTraits): { expression: string; type: string } {
  const whole = `${ip} saddr . ${ip} daddr . meta l4proto . th dport`;
  if (family === 'ipv4') return { expression: whole, type: `typeof ${whole}` };
  // Declared like another 32-bit integer: nft 1.0.6 cannot list a map declared with jhash.
  return { expression: `jhash ${whole} mod 0xffffffff seed 0x5eed`, type: 'typeof numgen random mod 65536' };
}
