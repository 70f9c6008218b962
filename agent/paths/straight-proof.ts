/** What is known of whether packets with pods' addresses pass by a way. */
export interface Proof {
  readonly proven: boolean;
  /** How many answers came in a row, or how many did not, since the other was last so or {@link proven} has changed. */
  readonly answers: number;
  readonly losses: number;
  /** How often the way was proven and then carried no more. */
  readonly failures: number;
  /** Whether the peer answered by another way when nothing came by this one. */
  readonly isAlive: boolean;
  /** Since when it is as {@link proven} says, in milliseconds of the clock of {@link judge}. */
  readonly sinceMs: number;
}

/** How soon a way is looked at again. */
export interface ProofTiming {
  /** One that carries. */
  readonly keepMs: number;
  /** One that has just lost an echo, or answered again. */
  readonly hastyMs: number;
  /** One that carries no more, at first; twice as long each time. */
  readonly holdMs: number;
}

/** A loss now and then happens on any network. */
const lossesToFall = 3;
/** A way that has failed before answers so often in a row before it is trusted again. */
const answersToReturn = 3;
/** A peer that is only starting is no news; a way that was lost is. */
const lossesToTell = { atFirst: 4, again: 1 } as const;
/** Failures before this are forgotten. */
const forgetMs = 600_000;
/** A peer that joins is there within seconds, mostly: so many losses long it is asked often. */
const patientLosses = 10;
const longestSilenceMs = { atFirst: 4_000, later: 30_000 } as const;
const longestHoldMs = 300_000;

/** @param proven whether it is taken for one that carries until the contrary shows */
export function newProof(proven: boolean, nowMs: number): Proof {
  return { proven, answers: 0, losses: 0, failures: 0, isAlive: false, sinceMs: nowMs };
}

/** What is known after one more echo. */
export function judge(
  proof: Proof,
  { answered, isAlive }: { readonly answered: boolean; readonly isAlive: boolean },
  nowMs: number,
): Proof {
  const answers = answered ? proof.answers + 1 : 0;
  const losses = answered ? 0 : proof.losses + 1;
  if (proof.proven && losses >= lossesToFall) {
    return { ...newProof(false, nowMs), failures: proof.failures + 1 };
  }
  if (!proof.proven && answers >= (proof.failures === 0 ? 1 : answersToReturn)) {
    return { ...newProof(true, nowMs), failures: proof.failures };
  }
  const isLongWell = proof.proven && nowMs - proof.sinceMs > forgetMs;
  return { ...proof, answers, losses, isAlive, failures: isLongWell ? 0 : proof.failures };
}

/** How long until the next echo. @param count how many ways there are: the more, the more seldom each is asked */
export function nextLookMs(
  { proven, answers, losses, failures }: Proof,
  { keepMs, hastyMs, holdMs }: ProofTiming,
  count: number,
): number {
  if (proven) return losses > 0 ? hastyMs : Math.max(keepMs, spacingMs * count);
  if (answers > 0) return keepMs;
  const hold = failures === 0 ? 0 : Math.min(longestHoldMs, holdMs * 2 ** (failures - 1));
  const longestMs = losses > patientLosses ? longestSilenceMs.later : longestSilenceMs.atFirst;
  return Math.max(hold, losses === 0 ? 0 : Math.min(longestMs, 2 * hastyMs * 2 ** losses));
}

/** Fifty echoes a second at most: some 0.5 % of a processor. */
export const spacingMs = 20;

/** Whether the network in between keeps pods' packets off a way between nodes that reach each other. */
export function isBlocked({ proven, losses, failures, isAlive }: Proof): boolean {
  const { atFirst, again } = lossesToTell;
  return !proven && isAlive && losses >= (failures === 0 ? atFirst : again);
}
