import { familyOf } from '../netns/ip.ts';
import type { Fields } from './fields.ts';
import type { CniVersion } from './versions.ts';
import { isAtLeast } from './versions.ts';

interface CniInterface {
  readonly name: string;
  readonly mac?: string;
  readonly mtu?: number;
  /** Path of the namespace it is in; absent: the host's. */
  readonly sandbox?: string;
}

interface CniAddress {
  /** With its prefix length: `10.244.1.5/32`. */
  readonly address: string;
  readonly gateway?: string;
  /** Which of the interfaces has it. */
  readonly interface?: number;
}

interface CniRoute {
  readonly dst: string;
  readonly gw?: string;
  readonly mtu?: number;
}

export interface CniDns {
  readonly nameservers?: readonly string[];
  readonly domain?: string;
  readonly search?: readonly string[];
  readonly options?: readonly string[];
}

/** What ADD made, in the terms of the newest version. */
export interface CniResult {
  readonly interfaces: readonly CniInterface[];
  readonly ips: readonly CniAddress[];
  readonly routes: readonly CniRoute[];
  readonly dns: CniDns;
}

/** A result that an earlier ADD, or a plugin before us, gave. Fields that we know nothing of stay. */
export function parseResult(fields: Fields): CniResult {
  return {
    interfaces: fields.objects('interfaces').map((each) => {
      const [mac, mtu, sandbox] = [each.string('mac'), each.count('mtu'), each.string('sandbox')];
      return {
        ...each.raw,
        name: each.string('name') ?? '',
        ...(mac === undefined ? {} : { mac }),
        ...(mtu === undefined ? {} : { mtu }),
        ...(sandbox === undefined ? {} : { sandbox }),
      };
    }),
    ips: fields.objects('ips').map((each) => {
      const [gateway, index] = [each.string('gateway'), each.count('interface')];
      return {
        ...each.raw,
        address: each.string('address') ?? '',
        ...(gateway === undefined ? {} : { gateway }),
        ...(index === undefined ? {} : { interface: index }),
      };
    }),
    routes: fields.objects('routes').map((each) => {
      const [gw, mtu] = [each.string('gw'), each.count('mtu')];
      return {
        ...each.raw,
        dst: each.string('dst') ?? '',
        ...(gw === undefined ? {} : { gw }),
        ...(mtu === undefined ? {} : { mtu }),
      };
    }),
    dns: fields.object('dns')?.raw ?? {},
  };
}

/** A result, and behind it another's: what ADD tells when it was not the first plugin. */
export function appendResult(before: CniResult, after: CniResult): CniResult {
  const shift = before.interfaces.length;
  return {
    interfaces: [...before.interfaces, ...after.interfaces],
    ips: [
      ...before.ips,
      ...after.ips.map((ip) =>
        ip.interface === undefined ? ip : { ...ip, interface: ip.interface + shift },
      ),
    ],
    routes: [...before.routes, ...after.routes],
    dns: Object.keys(before.dns).length > 0 ? before.dns : after.dns,
  };
}

/** The result as JSON, as a version has it. */
export function renderResult(result: CniResult, version: CniVersion): string {
  const form = isAtLeast(version, '1.1.0') ? newest : isAtLeast(version, '1.0.0') ? withoutMtu : withFamilies;
  return `${JSON.stringify({ cniVersion: version, ...form(result) })}\n`;
}

/** 1.1.0 brought the interfaces' mtu and everything of a route but its destination and gateway. */
const newInInterfaces = ['mtu', 'socketPath', 'pciID'];
const newInRoutes = ['mtu', 'advmss', 'priority', 'table', 'scope'];

function newest({ ips, ...rest }: CniResult): object {
  return { ...rest, ips: ips.map((ip) => without(ip, ['version'])) };
}

function withoutMtu(result: CniResult): object {
  const { interfaces, ips, routes, dns } = result;
  return {
    interfaces: interfaces.map((each) => without(each, newInInterfaces)),
    ips: ips.map((ip) => without(ip, ['version'])),
    routes: routes.map((route) => without(route, newInRoutes)),
    dns,
  };
}

/** Until 1.0.0 an address said of which family it is. */
function withFamilies(result: CniResult): object {
  const ips = result.ips.map((ip) => ({ version: familyOf(ip.address) === 'ipv4' ? '4' : '6', ...ip }));
  return { ...withoutMtu(result), ips };
}

function without(object: object, names: readonly string[]): object {
  return Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name)));
}
