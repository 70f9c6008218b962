import { invalid } from '../../kinds/field-error.ts';
import type { FieldError } from '../../kinds/field-error.ts';
import type { ServiceSpec } from '../../kinds/service.ts';
import { familyOf } from './address-range.ts';
import type { Family } from './address-range.ts';

/**
 * Decides a Service's policy and families from what it asks for and what the cluster has, in place.
 * The rules are https://kubernetes.io/docs/concepts/services-networking/dual-stack/.
 */
export function completeFamilies(spec: ServiceSpec, supported: readonly Family[]): FieldError[] {
  const addresses = (spec.clusterIPs ?? []).filter((address) => address !== 'None');
  const isHeadless = spec.clusterIP === 'None';
  // Without a selector nobody knows the family of the endpoints to come: all there are.
  const isOpen = isHeadless && Object.keys(spec.selector ?? {}).length === 0;
  spec.ipFamilyPolicy ??= isOpen && supported.length > 1 ? 'RequireDualStack' : 'SingleStack';

  const families = [...(spec.ipFamilies ?? [])];
  for (const address of addresses.slice(families.length)) families.push(familyOf(address) ?? '');
  const mistakes = checkFamilies(spec, families, supported);
  if (mistakes.length > 0) return mistakes;

  const wanted = spec.ipFamilyPolicy === 'SingleStack' ? 1 : supported.length;
  for (const family of supported) {
    if (families.length < wanted && !families.includes(family)) families.push(family);
  }
  spec.ipFamilies = families;
  return [];
}

function checkFamilies(
  spec: ServiceSpec,
  families: readonly string[],
  supported: readonly Family[],
): FieldError[] {
  const mistakes: FieldError[] = [];
  const policy = spec.ipFamilyPolicy;
  if (policy === 'RequireDualStack' && supported.length < 2) {
    const why = 'this cluster is not configured for dual-stack services';
    mistakes.push(invalid('spec.ipFamilyPolicy', policy, why));
  }
  if (policy === 'SingleStack' && families.length > 1) {
    const why = "must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified";
    mistakes.push(invalid('spec.ipFamilyPolicy', policy, why));
  }
  for (const [i, family] of families.entries()) {
    if (supported.includes(family as Family)) continue;
    mistakes.push(invalid(`spec.ipFamilies[${i}]`, family, 'not configured on this cluster'));
  }
  return mistakes;
}
