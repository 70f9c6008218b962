import { isIP } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { validateContainer, validateInitContainer, type ContainerContext } from './container-validation.ts';
import { duplicate, forbidden, invalid, required, tooMany, type FieldError } from './field-error.ts';
import { checkLabel1123, checkSubdomain } from './names.ts';
import { validateLabels } from './object-meta.ts';
import type { PodSpec } from './pod-spec.ts';

/** Mistakes in the spec of a pod or of a pod template at `path`. */
export function validatePodSpec(spec: PodSpec, path: string): FieldError[] {
  const context: ContainerContext = {
    volumes: new Set(spec.volumes?.map((each) => each.name)),
    hostNetwork: spec.hostNetwork === true,
    names: new Set(),
  };
  return [
    ...validateVolumes(spec, `${path}.volumes`),
    ...(spec.containers.length === 0 ? [required(`${path}.containers`)] : []),
    ...spec.containers.flatMap((each, i) => validateContainer(each, `${path}.containers[${i}]`, context)),
    ...(spec.initContainers ?? []).flatMap((each, i) => {
      const at = `${path}.initContainers[${i}]`;
      return [...validateContainer(each, at, context), ...validateInitContainer(each, at)];
    }),
    ...validateHostPorts(spec, path),
    ...validateTimes(spec, path),
    ...validateSpecNames(spec, path),
    ...validateLabels(spec.nodeSelector, `${path}.nodeSelector`),
    ...validateDns(spec, path),
    ...validateHostAliases(spec, `${path}.hostAliases`),
  ];
}

function validateVolumes(spec: PodSpec, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const names = new Set<string>();
  for (const [index, volume] of (spec.volumes ?? []).entries()) {
    const at = `${path}[${index}]`;
    const { name, ...sources } = volume;
    const wrong = checkLabel1123(name);
    if (name === '') errors.push(required(`${at}.name`));
    else if (wrong !== undefined) errors.push(invalid(`${at}.name`, name, wrong));
    else if (names.has(name)) errors.push(duplicate(`${at}.name`, name));
    names.add(name);
    for (const extra of Object.keys(sources).slice(1)) {
      errors.push(forbidden(`${at}.${extra}`, 'may not specify more than 1 volume type'));
    }
    if (volume.secret && !volume.secret.secretName) errors.push(required(`${at}.secret.secretName`));
    if (volume.configMap && !volume.configMap.name) errors.push(required(`${at}.configMap.name`));
    if (volume.hostPath?.path === '') errors.push(required(`${at}.hostPath.path`));
    if (volume.hostPath?.path.split('/').includes('..')) {
      errors.push(invalid(`${at}.hostPath.path`, volume.hostPath.path, "must not contain '..'"));
    }
  }
  return errors;
}

/** Two containers of a pod cannot have one port of the node. */
function validateHostPorts({ containers }: PodSpec, path: string): FieldError[] {
  const claimed = new Set<string>();
  return containers.flatMap(({ ports = [] }, container) =>
    ports.flatMap(({ hostPort, hostIP = '', protocol = 'TCP' }, index) => {
      if (!hostPort) return [];
      const claim = `${protocol}/${hostIP}/${hostPort}`;
      if (claimed.has(claim)) {
        return [duplicate(`${path}.containers[${container}].ports[${index}].hostPort`, claim)];
      }
      claimed.add(claim);
      return [];
    }),
  );
}

function validateTimes(spec: PodSpec, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const { activeDeadlineSeconds, terminationGracePeriodSeconds } = spec;
  if (activeDeadlineSeconds !== undefined && activeDeadlineSeconds < 1) {
    const detail = 'must be between 1 and 2147483647, inclusive';
    errors.push(invalid(`${path}.activeDeadlineSeconds`, activeDeadlineSeconds, detail));
  }
  if (terminationGracePeriodSeconds !== undefined && terminationGracePeriodSeconds < 0) {
    const detail = 'must be greater than or equal to 0';
    errors.push(invalid(`${path}.terminationGracePeriodSeconds`, terminationGracePeriodSeconds, detail));
  }
  return errors;
}

const specNames = [
  ['hostname', checkLabel1123],
  ['subdomain', checkLabel1123],
  ['nodeName', checkSubdomain],
  ['serviceAccountName', checkSubdomain],
] as const;

function validateSpecNames(spec: PodSpec, path: string): FieldError[] {
  return specNames.flatMap(([field, check]) => {
    const value = spec[field];
    const wrong = value ? check(value) : undefined;
    return wrong === undefined ? [] : [invalid(`${path}.${field}`, value, wrong)];
  });
}

function validateDns(spec: PodSpec, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const at = `${path}.dnsConfig`;
  const nameservers = spec.dnsConfig?.nameservers ?? [];
  if (spec.dnsPolicy === 'None' && nameservers.length === 0) {
    const detail = 'must provide at least one DNS nameserver when `dnsPolicy` is None';
    errors.push(required(spec.dnsConfig ? `${at}.nameservers` : at, detail));
  }
  if (nameservers.length > 3) errors.push(tooMany(`${at}.nameservers`, 3));
  for (const [index, address] of nameservers.entries()) {
    if (!isIP(address))
      errors.push(invalid(`${at}.nameservers[${index}]`, address, 'must be a valid IP address'));
  }
  errors.push(...validateSearches(spec.dnsConfig?.searches ?? [], `${at}.searches`));
  for (const [index, option] of (spec.dnsConfig?.options ?? []).entries()) {
    if (!option.name) errors.push(required(`${at}.options[${index}]`));
  }
  return errors;
}

/** A search domain may be the root, and have underscores, as names of SRV records do. */
function validateSearches(searches: readonly string[], path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (searches.length > 32) errors.push(tooMany(path, 32));
  const line = searches.join(' ');
  if (line.length > 2048)
    errors.push(
      invalid(path, line, 'must not have more than 2048 characters (including spaces) in the search list'),
    );
  for (const [index, search] of searches.entries()) {
    const wrong = search === '.' ? undefined : checkSubdomain(search.replace(/\.$/, '').replaceAll('_', 'x'));
    if (wrong !== undefined) errors.push(invalid(`${path}[${index}]`, search, wrong));
  }
  return errors;
}

function validateHostAliases(spec: PodSpec, path: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const [index, alias] of (spec.hostAliases ?? []).entries()) {
    if (!isIP(alias.ip)) errors.push(invalid(`${path}[${index}].ip`, alias.ip, 'must be a valid IP address'));
    for (const hostname of alias.hostnames ?? []) {
      const wrong = checkSubdomain(hostname);
      if (wrong !== undefined) errors.push(invalid(`${path}[${index}].hostnames`, hostname, wrong));
    }
  }
  return errors;
}

const mutable =
  '`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';

/** A pod's spec stands, but for images, the deadline, more tolerations and lifted scheduling gates. */
export function validatePodSpecUpdate(spec: PodSpec, old: PodSpec): FieldError[] {
  if (isDeepStrictEqual(frozenPart(spec), frozenPart(old))) return [];
  return [forbidden('spec', `pod updates may not change fields other than ${mutable}`)];
}

function frozenPart(spec: PodSpec): unknown {
  const withoutImage = (each: { image?: string }) => ({ ...each, image: '' });
  return {
    ...spec,
    containers: spec.containers.map(withoutImage),
    initContainers: spec.initContainers?.map(withoutImage),
    activeDeadlineSeconds: undefined,
    tolerations: undefined,
    schedulingGates: undefined,
  };
}
