import type { Backend } from '../../../iptables/backend.ts';
import type { FamilyName, TestNetwork } from '../network.ts';

/** What the contract needs to know of a backend beside its interface. */
export interface Subject {
  readonly name: string;
  make(network: TestNetwork): Backend;
  /** All rules of the node as the backend's own tool prints them, program and arguments by family. */
  readonly list: Readonly<Record<FamilyName, readonly string[]>>;
  /** A rule of somebody else's, and how to see it. */
  readonly foreign: {
    readonly add: readonly string[];
    readonly list: readonly string[];
    readonly expect: RegExp;
  };
  /** Sets what the host does with packets to forward that no rule decides; absent where our rules cannot overrule it. */
  readonly forwardPolicy?: Readonly<Record<FamilyName, readonly string[]>>;
  /** Makes the kernel forget that nobody listened at the DNS address lately. */
  forgetDeaf(family: FamilyName): readonly string[];
  /** What somebody might do to our rules of a family. */
  damages(family: FamilyName): readonly (readonly string[])[];
}

/** {@link Subject.forgetDeaf} where a list of the match `recent` has it. */
export function forgetRecentDns(family: FamilyName): readonly string[] {
  return ['sh', '-c', `echo / > /proc/net/xt_recent/weft-dns${family === 'ipv4' ? '4' : '6'}`];
}

/** Splits a command line's words into program and arguments. */
export function commandOf([program = '', ...args]: readonly string[]): [string, string[]] {
  return [program, args];
}
