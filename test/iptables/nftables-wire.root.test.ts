import t from 'tap';

import { families } from '../../iptables/family.ts';
import {
  addressBytes,
  concatenate,
  numberBytes,
  portBytes,
  protocolBytes,
  rangeBytes,
} from '../../iptables/nftables-bytes.ts';
import { ElementRefusal } from '../../iptables/nftables-door.ts';
import type { Element } from '../../iptables/nftables-door.ts';
import { renderSettings } from '../../iptables/nftables-elements.ts';
import { chainBytes, listObjects } from '../../iptables/nftables-objects.ts';
import { renderDeclarations } from '../../iptables/nftables-skeleton.ts';
import { elementText } from '../../iptables/nftables-text.ts';
import { skipUnlessRoot } from '../root.ts';
import { RuleNamespace } from './rule-namespace.ts';

/** An element as our messages carry it, and as `nft` is told it. */
type Row = readonly [object: string, text: string, key: Buffer, value?: Buffer, comment?: string];

const vip = { '4': '198.51.100.7', '6': '2001:db8::7' } as const;
const pod = { '4': '10.244.1.2', '6': 'fd00:10:244:1::2' } as const;
const range = { '4': '192.0.2.0/25', '6': '2001:db8:9::/65' } as const;

/** One element of every kind of set and map. */
const rows: readonly Row[] = families.flatMap(({ suffix }): Row[] => {
  const [to, from] = [vip[suffix], pod[suffix]];
  const { first, last } = rangeBytes(range[suffix]);
  const port = concatenate(protocolBytes('sctp'), portBytes(30_001));
  const key = concatenate(addressBytes(to), port);
  const text = `${to} . sctp . 30001`;
  const endpoint = concatenate(addressBytes(from), portBytes(8080));
  return [
    [`dns${suffix}`, to, addressBytes(to)],
    [`dns-source${suffix}`, `${to} : ${from}`, addressBytes(to), addressBytes(from)],
    [`hairpin${suffix}`, `${from} . ${from}`, concatenate(addressBytes(from), addressBytes(from))],
    ...['far', 'rejected', 'dropped', 'restricted'].map((set): Row => [`${set}${suffix}`, text, key]),
    [`allowed${suffix}`, `${text} . ${range[suffix]}`, concatenate(key, first, key, last)],
    [`rejected-nodeports${suffix}`, 'sctp . 30001', port],
    [`dropped-nodeports${suffix}`, 'sctp . 30001', port],
    ...['', 'inside-', 'outside-'].flatMap((view): Row[] => [
      [
        `${view}services${suffix}`,
        `${text} comment "a/b:c" : 44236802`,
        key,
        numberBytes(44_236_802),
        'a/b:c',
      ],
      [
        `${view}services${suffix}-classes`,
        '1073741824 : goto split-services4',
        numberBytes(1_073_741_824),
        chainBytes('split-services4'),
      ],
      [
        `${view}services${suffix}-endpoints`,
        `${text} . 0x57001001 : ${from} . 8080`,
        concatenate(key, numberBytes(0x5700_1001)),
        endpoint,
      ],
      [
        `${view}services${suffix}-slots`,
        `${text} . 300 : 0x57001001`,
        concatenate(key, numberBytes(300)),
        numberBytes(0x5700_1001),
      ],
      [`${view}nodeports${suffix}`, 'sctp . 30001 : 2', port, numberBytes(2)],
      [
        `${view}nodeports${suffix}-classes`,
        '2 : goto split-nodeports6',
        numberBytes(2),
        chainBytes('split-nodeports6'),
      ],
      [
        `${view}nodeports${suffix}-endpoints`,
        `sctp . 30001 . 0x57000000 : ${from} . 8080`,
        concatenate(port, numberBytes(0x5700_0000)),
        endpoint,
      ],
      [
        `${view}nodeports${suffix}-slots`,
        'sctp . 30001 . 1 : 0x57000000',
        concatenate(port, numberBytes(1)),
        numberBytes(0x5700_0000),
      ],
    ]),
  ];
});

const elements: readonly Element[] = rows.map(([object, , key, value, comment]) => ({
  object,
  key,
  value,
  comment,
}));

const settings = {
  clusterCIDRs: ['10.244.0.0/16', 'fd00:10:244::/56'],
  // The whole family, two ranges side by side, and the last address there is.
  nodePortAddresses: ['0.0.0.0/0', '::/0'],
  podCIDRs: ['10.244.1.0/24', '10.244.2.0/24', 'fd00:10:244:1::/64', 'fd00:10:244:2::/64'],
  serviceCIDRs: ['255.255.255.255/32', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128'],
  dnsIPs: [],
  nodeIPs: ['192.0.2.1', '2001:db8::1'],
};

const ranges = {
  cluster: ['10.244.0.0/16', 'fd00:10:244::/56'],
  'nodeport-addresses': ['0.0.0.0/0', '::/0'],
  pods: ['10.244.1.0/24, 10.244.2.0/24', 'fd00:10:244:1::/64, fd00:10:244:2::/64'],
  'service-ranges': ['255.255.255.255', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  stays: [
    '10.244.0.0/16, 192.0.2.1, 224.0.0.0/4, 255.255.255.255',
    '2001:db8::1, fd00:10:244::/56, ff00::/8',
  ],
} as const;

/** Only the table's objects: sets and maps of every kind, and the chains that elements go to. */
async function declared(): Promise<RuleNamespace> {
  const kernel = new RuleNamespace('nftables');
  await kernel.run('nft', ['-f', '-'], renderDeclarations({}).join('\n'));
  return kernel;
}

interface Listed {
  readonly name: string;
  readonly elem?: readonly unknown[];
}

/** Each object's elements as `nft` lists them. */
async function listed({ run }: RuleNamespace): Promise<Map<string, unknown[]>> {
  const { nftables } = JSON.parse(await run('nft', ['-j', 'list', 'table', 'inet', 'weft'])) as {
    nftables: readonly { readonly set?: Listed; readonly map?: Listed }[];
  };
  const objects = nftables.flatMap(({ set, map }) => set ?? map ?? []);
  return new Map(
    objects.map(({ name, elem = [] }) => [
      name,
      [...elem].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)),
    ]),
  );
}

function read({ door }: RuleNamespace, object: string): string[] {
  for (let listing = 0; listing < 100; listing += 1) {
    const found: string[] = [];
    door.readElements(object, (element) => found.push(describe(element)));
    // A table that still grows behind a load lists some twice, and others not at all.
    if (new Set(found).size === found.length) return found.sort();
  }
  throw new Error(`${object} is listed differently each time`);
}

function describe(element: Element): string {
  return `${elementText(element)} ${element.key.toString('hex')} ${element.comment ?? ''}`;
}

/** Everything told to `nft` in its own words. */
async function writtenByNft(): Promise<RuleNamespace> {
  const kernel = await declared();
  const bounds = Object.entries(ranges).flatMap(([name, texts]) =>
    texts.map((text, index) => [`${name}${index === 0 ? '4' : '6'}`, text] as const),
  );
  const lines = [...rows, ...bounds].map(([object, text]) => `add element inet weft ${object} { ${text} }`);
  await kernel.run('nft', ['-f', '-'], lines.join('\n'));
  return kernel;
}

if (skipUnlessRoot(t)) {
  await t.test('every kind of element is what nft makes of its text', async (t) => {
    let expected: Map<string, unknown[]>;
    const objects = listObjects().filter(({ dynamic }) => dynamic !== true);
    {
      using kernel = await writtenByNft();
      expected = await listed(kernel);
      for (const { name, form } of objects) {
        if (form === 'bounds') continue;
        const ours = elements.filter(({ object }) => object === name).map(describe);
        t.strictSame(read(kernel, name), ours, `${name}: read as it was written by nft`);
      }
    }
    using kernel = await declared();
    kernel.door.apply({ removed: [], added: [...elements, ...renderSettings(settings)] });
    const found = await listed(kernel);
    for (const { name } of objects) {
      t.ok((found.get(name)?.length ?? 0) > 0, `${name}: there is one`);
      t.strictSame(found.get(name), expected.get(name), name);
    }
    kernel.door.apply({ removed: elements, added: [] });
    const left = [...(await listed(kernel))].filter(([, elem]) => elem.length > 0).map(([name]) => name);
    const bounds = objects.filter(({ form }) => form === 'bounds').map(({ name }) => name);
    t.strictSame(left.sort(), bounds.sort(), 'removed one by one');
  });

  await t.test('a refusal names its element and leaves everything as it was', async (t) => {
    using kernel = await declared();
    const keyOf = (port: number): Buffer => concatenate(protocolBytes('tcp'), portBytes(port));
    const element = (port: number, value: number): Element => ({
      object: 'nodeports6',
      key: keyOf(port),
      value: numberBytes(value),
    });
    const many = Array.from({ length: 3000 }, (_, n) => element(n + 1, 1));
    kernel.door.apply({ removed: [], added: [element(2000, 1)] });
    const refused = (attempt: () => void): string => {
      try {
        attempt();
        return 'nothing refused';
      } catch (error) {
        if (!(error instanceof ElementRefusal) || !error.element) throw error;
        return elementText(error.element);
      }
    };
    const conflict = many.map((each) => (each.key.equals(keyOf(2000)) ? element(2000, 2) : each));
    t.equal(
      refused(() => {
        kernel.door.apply({ removed: [], added: conflict });
      }),
      'nodeports6 { tcp . 2000 : 2 }',
    );
    t.equal(
      refused(() => {
        kernel.door.apply({ removed: [element(77, 1)], added: many });
      }),
      'nodeports6 { tcp . 77 }',
      'one that is not there',
    );
    t.strictSame(read(kernel, 'nodeports6').length, 1, 'nothing of either came');
  });

  await t.test('more elements than one message can carry', async (t) => {
    using kernel = await declared();
    const many = Array.from({ length: 20_000 }, (_, n) => ({
      object: 'services6-endpoints',
      key: concatenate(
        addressBytes(`fd00::${(n + 1).toString(16)}`),
        protocolBytes('tcp'),
        portBytes(80),
        numberBytes(n),
      ),
      value: concatenate(addressBytes(pod['6']), portBytes(n)),
    }));
    kernel.door.apply({ removed: [], added: many });
    t.strictSame(read(kernel, 'services6-endpoints'), many.map(describe).sort());
    kernel.door.apply({ removed: many.slice(1), added: [] });
    t.equal(read(kernel, 'services6-endpoints').length, 1);
  });
}
