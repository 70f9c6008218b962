import { duplicate, forbidden, invalid, required, type FieldError } from './field-error.ts';
import { checkRoutable, familyOf, isCIDR } from './ip.ts';
import { checkLabel1123, checkPort, checkPortName, checkSubdomain } from './names.ts';
import { validateLabels } from './object-meta.ts';
import type { Service, ServicePort, ServiceSpec } from './service.ts';

export function validateService({ spec }: Service, old?: Service): FieldError[] {
  return [
    ...validatePorts(spec),
    ...validateLabels(spec.selector, 'spec.selector'),
    ...validateClusterIPs(spec),
    ...validateFamilies(spec),
    ...validateExternal(spec),
    ...validateAffinity(spec),
    ...(old ? validateUpdate(spec, old.spec) : []),
  ];
}

function hasNodePorts(spec: ServiceSpec): boolean {
  return spec.type === 'NodePort' || spec.type === 'LoadBalancer';
}

function validatePorts(spec: ServiceSpec): FieldError[] {
  const ports = spec.ports ?? [];
  const mayLackPorts = spec.type === 'ExternalName' || spec.clusterIP === 'None';
  if (ports.length === 0) return mayLackPorts ? [] : [required('spec.ports')];
  const errors: FieldError[] = [];
  const seen = { names: new Set<string>(), ports: new Set<string>(), nodePorts: new Set<string>() };
  for (const [index, port] of ports.entries()) {
    const at = `spec.ports[${index}]`;
    errors.push(...validatePort(port, at, ports.length > 1));
    const { name = '', nodePort, protocol = 'TCP' } = port;
    if (name !== '' && !claim(seen.names, name)) errors.push(duplicate(`${at}.name`, name));
    if (!claim(seen.ports, `${port.port}/${protocol}`))
      errors.push(duplicate(at, { port: port.port, protocol }));
    if (!nodePort) continue;
    if (!hasNodePorts(spec)) {
      errors.push(forbidden(`${at}.nodePort`, `may not be used when \`type\` is '${spec.type ?? ''}'`));
    } else if (!claim(seen.nodePorts, `${nodePort}/${protocol}`)) {
      errors.push(duplicate(`${at}.nodePort`, nodePort));
    }
  }
  return errors;
}

/** Adds `value` to `set`; false if it was there. */
function claim(set: Set<string>, value: string): boolean {
  if (set.has(value)) return false;
  set.add(value);
  return true;
}

function validatePort(port: ServicePort, at: string, severalPorts: boolean): FieldError[] {
  const errors: FieldError[] = [];
  if (!port.name) {
    if (severalPorts) errors.push(required(`${at}.name`));
  } else {
    const wrong = checkLabel1123(port.name);
    if (wrong !== undefined) errors.push(invalid(`${at}.name`, port.name, wrong));
  }
  const wrongPort = checkPort(port.port);
  if (wrongPort !== undefined) errors.push(invalid(`${at}.port`, port.port, wrongPort));
  const { targetPort } = port;
  if (targetPort === undefined) return errors;
  const wrongTarget = typeof targetPort === 'number' ? checkPort(targetPort) : checkPortName(targetPort);
  if (wrongTarget !== undefined) errors.push(invalid(`${at}.targetPort`, targetPort, wrongTarget));
  return errors;
}

function validateClusterIPs(spec: ServiceSpec): FieldError[] {
  const { clusterIP = '', clusterIPs = [] } = spec;
  const at = 'spec.clusterIPs';
  if (spec.type === 'ExternalName') {
    return clusterIP === '' ? [] : [forbidden(at, 'may not be set for ExternalName services')];
  }
  const errors: FieldError[] = [];
  if (clusterIP !== (clusterIPs[0] ?? '')) {
    errors.push(invalid(at, clusterIPs, 'first value must match `clusterIP`'));
  }
  if (clusterIPs.includes('None')) {
    if (clusterIPs.length > 1)
      errors.push(invalid(at, clusterIPs, "'None' must be the first and only value"));
    if (hasNodePorts(spec)) {
      errors.push(invalid(`${at}[0]`, 'None', `may not be set to 'None' for ${spec.type ?? ''} services`));
    }
    return errors;
  }
  for (const [index, address] of clusterIPs.entries()) {
    if (familyOf(address) && !address.includes('/')) continue;
    errors.push(invalid(`${at}[${index}]`, address, 'must be empty, "None", or a valid IP address'));
  }
  const families = clusterIPs.map(familyOf);
  if (clusterIPs.length > 2 || new Set(families).size !== families.length) {
    errors.push(invalid(at, clusterIPs, 'may only hold one address of each IP family'));
  }
  return errors;
}

function validateFamilies(spec: ServiceSpec): FieldError[] {
  const { ipFamilies = [], clusterIPs = [] } = spec;
  const errors: FieldError[] = [];
  if (spec.type === 'ExternalName') {
    const detail = 'may not be set for ExternalName services';
    if (ipFamilies.length > 0) errors.push(forbidden('spec.ipFamilies', detail));
    if (spec.ipFamilyPolicy) errors.push(forbidden('spec.ipFamilyPolicy', detail));
    return errors;
  }
  for (const [index, family] of ipFamilies.entries()) {
    if (ipFamilies.indexOf(family) !== index) errors.push(duplicate(`spec.ipFamilies[${index}]`, family));
    const address = clusterIPs[index];
    if (address === undefined || address === 'None' || familyOf(address) === family) continue;
    const detail = `expected an ${family} value as indicated by \`ipFamilies[${index}]\``;
    errors.push(invalid(`spec.clusterIPs[${index}]`, address, detail));
  }
  if (spec.ipFamilyPolicy === 'SingleStack' && (ipFamilies.length > 1 || clusterIPs.length > 1)) {
    const detail = "must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified";
    errors.push(invalid('spec.ipFamilyPolicy', spec.ipFamilyPolicy, detail));
  }
  return errors;
}

function validateExternal(spec: ServiceSpec): FieldError[] {
  const errors: FieldError[] = [];
  if (spec.type === 'ExternalName') {
    const name = (spec.externalName ?? '').replace(/\.$/, '');
    const wrong = checkSubdomain(name);
    if (name === '') errors.push(required('spec.externalName'));
    else if (wrong !== undefined) errors.push(invalid('spec.externalName', spec.externalName, wrong));
  }
  for (const [index, address] of (spec.externalIPs ?? []).entries()) {
    const wrong = checkRoutable(address);
    if (wrong !== undefined) errors.push(invalid(`spec.externalIPs[${index}]`, address, wrong));
  }
  if (spec.externalTrafficPolicy && !hasNodePorts(spec) && !spec.externalIPs?.length) {
    const detail = 'may only be set for externally-accessible services';
    errors.push(invalid('spec.externalTrafficPolicy', spec.externalTrafficPolicy, detail));
  }
  return [...errors, ...validateLoadBalancer(spec)];
}

const loadBalancerFields = [
  'loadBalancerSourceRanges',
  'loadBalancerClass',
  'allocateLoadBalancerNodePorts',
] as const;

function validateLoadBalancer(spec: ServiceSpec): FieldError[] {
  if (spec.type === 'LoadBalancer') {
    return (spec.loadBalancerSourceRanges ?? []).flatMap((range, index) =>
      isCIDR(range.trim())
        ? []
        : [
            invalid(
              `spec.loadBalancerSourceRanges[${index}]`,
              range,
              'must be a valid CIDR, (e.g. 10.9.8.0/24)',
            ),
          ],
    );
  }
  const detail = "may only be used when `type` is 'LoadBalancer'";
  return loadBalancerFields
    .filter((field) => spec[field] !== undefined)
    .map((field) => forbidden(`spec.${field}`, detail));
}

const DAY_SECONDS = 86400;

function validateAffinity(spec: ServiceSpec): FieldError[] {
  const timeout = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds;
  if (timeout === undefined || (timeout > 0 && timeout <= DAY_SECONDS)) return [];
  const at = 'spec.sessionAffinityConfig.clientIP.timeoutSeconds';
  return [invalid(at, timeout, `must be greater than 0 and less than ${DAY_SECONDS}`)];
}

/** Cluster addresses stay; new ones may join (a second family), and `ExternalName` has none. */
function validateUpdate(spec: ServiceSpec, old: ServiceSpec): FieldError[] {
  const errors: FieldError[] = [];
  if (spec.type === 'ExternalName' || old.type === 'ExternalName') return errors;
  for (const [index, before] of (old.clusterIPs ?? []).entries()) {
    const address = spec.clusterIPs?.[index];
    if (address === undefined || address === before) continue;
    errors.push(invalid(`spec.clusterIPs[${index}]`, address, 'field is immutable'));
  }
  if (
    spec.type === 'LoadBalancer' &&
    old.type === 'LoadBalancer' &&
    spec.loadBalancerClass !== old.loadBalancerClass
  ) {
    errors.push(invalid('spec.loadBalancerClass', spec.loadBalancerClass ?? '', 'field is immutable'));
  }
  const family = old.ipFamilies?.[0];
  if (family !== undefined && spec.ipFamilies?.[0] !== undefined && spec.ipFamilies[0] !== family) {
    errors.push(invalid('spec.ipFamilies[0]', spec.ipFamilies[0], 'field is immutable'));
  }
  return errors;
}
