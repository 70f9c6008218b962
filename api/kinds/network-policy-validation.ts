import ipaddr from 'ipaddr.js';
import { forbidden, invalid, notSupported, required, type FieldError } from './field-error.ts';
import { isCIDR } from './ip.ts';
import { validateLabelSelector } from './label-selector-validation.ts';
import { checkPort, checkPortName } from './names.ts';
import type { IPBlock, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec } from './network-policy.ts';

const protocols = ['TCP', 'UDP', 'SCTP'];
const policyTypes = ['Ingress', 'Egress'];

export function validateNetworkPolicySpec(spec: NetworkPolicySpec): FieldError[] {
  return [
    ...validateLabelSelector(spec.podSelector, 'spec.podSelector'),
    ...(spec.ingress ?? []).flatMap(({ ports, from }, i) =>
      validateRule(`spec.ingress[${i}]`, ports, 'from', from),
    ),
    ...(spec.egress ?? []).flatMap(({ ports, to }, i) => validateRule(`spec.egress[${i}]`, ports, 'to', to)),
    ...validateTypes(spec.policyTypes ?? []),
  ];
}

function validateTypes(types: readonly string[]): FieldError[] {
  if (types.length > policyTypes.length) {
    return [invalid('spec.policyTypes', types, 'may not specify more than two policyTypes')];
  }
  return types.flatMap((type, i) =>
    policyTypes.includes(type) ? [] : [notSupported(`spec.policyTypes[${i}]`, type, policyTypes)],
  );
}

function validateRule(
  path: string,
  ports: readonly NetworkPolicyPort[] = [],
  side: 'from' | 'to',
  peers: readonly NetworkPolicyPeer[] = [],
): FieldError[] {
  return [
    ...ports.flatMap((port, i) => validatePort(port, `${path}.ports[${i}]`)),
    ...peers.flatMap((peer, i) => validatePeer(peer, `${path}.${side}[${i}]`)),
  ];
}

function validatePort({ protocol, port, endPort }: NetworkPolicyPort, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (protocol !== undefined && !protocols.includes(protocol)) {
    errors.push(notSupported(`${path}.protocol`, protocol, protocols));
  }
  const isNumber = typeof port === 'number';
  if (port !== undefined) {
    const wrong = isNumber ? checkPort(port) : checkPortName(port);
    if (wrong !== undefined) errors.push(invalid(`${path}.port`, port, wrong));
  }
  if (endPort === undefined) return errors;
  const complain = (detail: string) => errors.push(invalid(`${path}.endPort`, endPort, detail));
  if (port === undefined) complain('may not be specified when `port` is not specified');
  else if (!isNumber) complain('may not be specified when `port` is non-numeric');
  else {
    if (endPort < port) complain('must be greater than or equal to `port`');
    const wrong = checkPort(endPort);
    if (wrong !== undefined) complain(wrong);
  }
  return errors;
}

function validatePeer(peer: NetworkPolicyPeer, path: string): FieldError[] {
  const { podSelector, namespaceSelector, ipBlock } = peer;
  const selectors = { podSelector, namespaceSelector };
  const errors = Object.entries(selectors).flatMap(([field, selector]) =>
    selector ? validateLabelSelector(selector, `${path}.${field}`) : [],
  );
  if (ipBlock) errors.push(...validateBlock(ipBlock, `${path}.ipBlock`));
  const selects = podSelector !== undefined || namespaceSelector !== undefined;
  if (!ipBlock && !selects) errors.push(required(path, 'must specify a peer'));
  if (ipBlock && selects) errors.push(forbidden(path, 'may not specify both ipBlock and another peer'));
  return errors;
}

const notCIDR = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)';

function validateBlock({ cidr, except = [] }: IPBlock, path: string): FieldError[] {
  if (cidr === '') return [required(`${path}.cidr`)];
  if (!isCIDR(cidr)) return [invalid(`${path}.cidr`, cidr, notCIDR)];
  return except.flatMap((part, i) => {
    const at = `${path}.except[${i}]`;
    if (!isCIDR(part)) return [invalid(at, part, notCIDR)];
    return isStrictSubset(part, cidr) ? [] : [invalid(at, part, 'must be a strict subset of `cidr`')];
  });
}

function isStrictSubset(part: string, whole: string): boolean {
  const [network, length] = ipaddr.parseCIDR(part);
  const range = ipaddr.parseCIDR(whole);
  return network.kind() === range[0].kind() && network.match(range) && length > range[1];
}
