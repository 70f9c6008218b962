import type { Gate } from '../network/gates.ts';
import type { ServiceRules } from '../services/services.ts';
import { hostPortKey } from './compile.ts';

/** Whose ports lead to it before it is told that it is attached, and no longer when it is told that it is gone. */
export function hostPortGate(rules: Pick<ServiceRules, 'whenProgrammed'>): Gate {
  const pass: Gate['admit'] = ({ id, ports = [] }, signal) =>
    ports.length === 0 ? undefined : rules.whenProgrammed(hostPortKey(id), signal);
  return { admit: pass, dismiss: pass };
}
