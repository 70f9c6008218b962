import {
  bankObjects,
  banks,
  classChain,
  classNumber,
  firstMark,
  keyExpression,
  splitChainName,
  splitClass,
} from './nftables-banks.ts';
import type { EndpointClass } from './nftables-banks.ts';
import { numberBytes } from './nftables-bytes.ts';
import type { Element } from './nftables-door.ts';
import { chainBytes, clientKey } from './nftables-objects.ts';
import type { SkeletonChain } from './nftables-chain.ts';

/** The chain that chooses among `count` endpoints, the same for all frontends that have so many. */
export function renderClass(endpointClass: EndpointClass): SkeletonChain {
  const { bank, count, affinitySeconds } = endpointClass;
  const { endpoints, slots } = bankObjects(bank);
  const { nftProtocol: ip, suffix } = bank.traits;
  const key = keyExpression(bank);
  const mod = `numgen random mod ${String(count)}`;
  const dnat = `dnat ${ip} to ${key} . meta mark map @${endpoints}`;
  const name = classChain(endpointClass);
  if (affinitySeconds === 0) {
    return { name, hook: '', rules: [`meta mark set ${mod} offset ${String(firstMark(bank))}`, dnat] };
  }
  const client = clientKey(bank.traits).expression;
  const remember = `update @affinity${suffix} { ${client} timeout ${String(affinitySeconds)}s : meta mark }`;
  return {
    name,
    hook: '',
    rules: [
      'meta mark set 0',
      `meta mark set ${client} map @affinity${suffix}`,
      `meta mark != 0 ${remember}`,
      `meta mark != 0 ${dnat}`,
      // The endpoint is gone: its mark leads nowhere, and an update would refresh it instead of replacing it.
      `meta mark != 0 delete @affinity${suffix} { ${client} : meta mark }`,
      `meta mark set ${key} . ${mod} map @${slots}`,
      remember,
      dnat,
    ],
  };
}

/** Elements of the class maps that never change. */
export function listSplitElements(): Element[] {
  return banks
    .filter(({ view }) => view === 'main')
    .map((bank) => ({
      object: bankObjects(bank).classes,
      key: numberBytes(splitClass),
      value: chainBytes(splitChainName(bank.traits, bank.by)),
    }));
}

export function classElement(endpointClass: EndpointClass): Element {
  return {
    object: bankObjects(endpointClass.bank).classes,
    key: numberBytes(classNumber(endpointClass)),
    value: chainBytes(classChain(endpointClass)),
  };
}
