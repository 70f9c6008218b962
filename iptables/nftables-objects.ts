import { families } from './family.ts';
import type { FamilyTraits } from './family.ts';
import { bankObjects, banks, keyExpression } from './nftables-banks.ts';
import type { Bank } from './nftables-banks.ts';
import { partsBytes } from './nftables-bytes.ts';
import type { Part } from './nftables-bytes.ts';

/** One set or map of the skeleton. */
export interface NftObject {
  readonly kind: 'set' | 'map';
  readonly name: string;
  /** The body of its declaration. */
  readonly declaration: string;
  /** For people who read a listing. */
  readonly comment: string;
  readonly key: readonly Part[];
  /**
   * How an {@link Element.key} of it is made: `exact`: the key; `ranges`: the first and the last key of a concatenation
   * of ranges; `bounds`: the first address of a range and 0, or the first one behind it and 1.
   */
  readonly form: 'exact' | 'ranges' | 'bounds';
  /** The parts of an {@link Element.value}; `chain`: the name of the chain to go to, filled up with NULs. */
  readonly value?: readonly Part[] | 'chain';
  /** Its elements are the kernel's own doing: never listed, compared or removed. */
  readonly dynamic?: boolean;
}

/** Room for the name of a chain in a value. */
const chainNameBytes = 64;

/** How many bytes the keys and values of an object's elements have. */
export function elementBytes({ key, form, value }: NftObject): { key: number; value: number } {
  const once = partsBytes(key);
  return {
    key: form === 'exact' ? once : form === 'ranges' ? 2 * once : once + 4,
    value: value === 'chain' ? chainNameBytes : partsBytes(value ?? []),
  };
}

export function chainBytes(name: string): Buffer {
  const bytes = Buffer.alloc(chainNameBytes);
  if (bytes.write(name) >= chainNameBytes) throw new TypeError(`${name}: too long a name for a chain`);
  return bytes;
}

/** Sets and maps: all that changes with Services, nodes and ranges is an element of one of these. */
export function listObjects(): readonly NftObject[] {
  return objects;
}

/** @throws TypeError when there is none */
export function objectNamed(name: string): NftObject {
  const object = byName.get(name);
  if (!object) throw new TypeError(`no such set or map: ${name}`);
  return object;
}

function familyObjects(traits: FamilyTraits): NftObject[] {
  const { suffix, nftProtocol: ip } = traits;
  const address: Part = `address${suffix}`;
  const port = 'meta l4proto . th dport';
  const frontend: readonly Part[] = [address, 'protocol', 'port'];
  const set = (name: string, type: string, key: readonly Part[], comment: string): NftObject => ({
    kind: 'set',
    name: `${name}${suffix}`,
    declaration: `typeof ${type};`,
    comment,
    key,
    form: 'exact',
  });
  const ranges = (name: string, comment: string): NftObject => ({
    ...set(name, `${ip} daddr`, [address], comment),
    declaration: `typeof ${ip} daddr; flags interval;`,
    form: 'bounds',
  });
  const listed = `${ip} daddr . ${port} . ${ip} saddr`;
  return [
    ranges('cluster', 'where pods have their addresses'),
    ranges('service-ranges', 'where Services have their addresses'),
    ranges('pods', 'pods of this node'),
    ranges('stays', 'where pods go with their own address'),
    ranges('nodeport-addresses', 'addresses of this node that serve NodePorts'),
    set('dns', `${ip} daddr`, [address], "this node's own DNS server"),
    {
      ...set(
        'dns-source',
        `${ip} daddr`,
        [address],
        "where this node's own queries to other nodes' DNS come from",
      ),
      kind: 'map',
      declaration: `typeof ${ip} daddr : ${ip} saddr;`,
      value: [address],
    },
    {
      ...set('dns-deaf', `${ip} daddr`, [], 'where a query found nobody listening lately'),
      declaration: `typeof ${ip} daddr; size 64; flags dynamic,timeout;`,
      dynamic: true,
    },
    set('hairpin', `${ip} saddr . ${ip} daddr`, [address, address], 'pods here that can meet themselves'),
    set('far', `${ip} daddr . ${port}`, frontend, 'endpoints that are no pods'),
    set('rejected', `${ip} daddr . ${port}`, frontend, 'Services without endpoints'),
    set('dropped', `${ip} daddr . ${port}`, frontend, 'Services without endpoints on this node'),
    set('restricted', `${ip} daddr . ${port}`, frontend, 'Services with loadBalancerSourceRanges'),
    {
      ...set('allowed', listed, [...frontend, address], 'who may use them'),
      declaration: `typeof ${listed}; flags interval;`,
      form: 'ranges',
    },
    set('rejected-nodeports', port, ['protocol', 'port'], 'NodePorts without endpoints'),
    set('dropped-nodeports', port, ['protocol', 'port'], 'NodePorts without endpoints on this node'),
    affinityObject(traits),
  ];
}

function affinityObject(traits: FamilyTraits): NftObject {
  return {
    kind: 'map',
    name: `affinity${traits.suffix}`,
    declaration: `${clientKey(traits).type} : meta mark; size 262144; flags dynamic,timeout;`,
    comment: 'which endpoint a client stays with',
    key: [],
    form: 'exact',
    dynamic: true,
  };
}

function objectsOfBank(bank: Bank): NftObject[] {
  const { services, classes, endpoints, slots } = bankObjects(bank);
  const expression = keyExpression(bank);
  const { nftAddressType, suffix } = bank.traits;
  const address: Part = `address${suffix}`;
  const key: readonly Part[] = [...(bank.by === 'address' ? [address] : []), 'protocol', 'port'];
  const keyType = `${bank.by === 'address' ? `${nftAddressType} . ` : ''}inet_proto . inet_service`;
  const map = (
    name: string,
    types: string,
    parts: readonly Part[],
    value: readonly Part[] | 'chain',
    comment: string,
  ): NftObject => ({
    kind: 'map',
    name,
    declaration: `${types};`,
    comment,
    key: parts,
    form: 'exact',
    value,
  });
  return [
    map(services, `typeof ${expression} : meta mark`, key, ['number'], 'Service: number of its endpoints'),
    map(classes, 'type mark : verdict', ['number'], 'chain', 'who chooses among so many'),
    map(
      endpoints,
      // Not by typeof: data of `typeof tcp dport` makes nft match tcp only, and it refuses `th dport` there.
      `type ${keyType} . mark : ${nftAddressType} . inet_service`,
      [...key, 'number'],
      [address, 'port'],
      'Service and choice: endpoint',
    ),
    map(
      slots,
      `typeof ${expression} . numgen random mod 65536 : meta mark`,
      [...key, 'number'],
      ['number'],
      'Service with affinity, number: choice',
    ),
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

const objects: readonly NftObject[] = [...families.flatMap(familyObjects), ...banks.flatMap(objectsOfBank)];
const byName: ReadonlyMap<string, NftObject> = new Map(objects.map((object) => [object.name, object]));
