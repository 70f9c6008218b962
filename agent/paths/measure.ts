/** What can be asked of the way to a peer. */
export interface PathQuestions {
  /** Milliseconds until a packet of so many bytes, which nobody may fragment, came back. */
  echo(packetBytes: number, timeoutMs: number): Promise<number | undefined>;
  /** Whether a datagram arrives with a right checksum: made as the link makes it, or by us. */
  datagram(offloaded: boolean, timeoutMs: number): Promise<boolean>;
}

/** A packet that passes wherever any does. */
const smallBytes = 100;
const patientMs = 1_000;
const hastyMs = 250;
const attempts = 3;
/** So many lengths at once; each round leaves one of as many parts of what is still unknown. */
const ladderSteps = 8;

/**
 * The longest packet that reaches a peer and comes back, `expected` at most; undefined when none does. Where all is
 * well that takes a single packet.
 */
export async function measureMtu(
  { echo }: Pick<PathQuestions, 'echo'>,
  expected: number,
): Promise<number | undefined> {
  if ((await echo(expected, patientMs)) !== undefined) return expected;
  let roundTripMs: number | undefined;
  for (let i = 0; i < attempts && roundTripMs === undefined; i += 1) {
    roundTripMs = await echo(smallBytes, patientMs);
  }
  if (roundTripMs === undefined) return undefined;
  const timeoutMs = Math.max(hastyMs, 4 * roundTripMs);
  const passes = async (packetBytes: number): Promise<boolean> => {
    for (let i = 0; i < attempts; i += 1) {
      if ((await echo(packetBytes, timeoutMs)) !== undefined) return true;
    }
    return false;
  };
  let [passing, failing] = [smallBytes, expected + 1];
  while (failing - passing > 1) {
    const sizes = ladder(passing, failing);
    const answers = await Promise.all(sizes.map(passes));
    passing = sizes.findLast((_, i) => answers[i]) ?? passing;
    failing = sizes.find((size, i) => size > passing && answers[i] === false) ?? failing;
  }
  return passing;
}

/** Lengths between the two, evenly spread, the one just below `failing` among them. */
export function ladder(passing: number, failing: number): number[] {
  const steps = Math.min(ladderSteps, failing - 1 - passing);
  return Array.from({ length: steps }, (_, i) =>
    Math.ceil(passing + ((failing - 1 - passing) * (i + 1)) / steps),
  );
}

/** `unknown`: a peer whose firewall answers nothing cannot tell. */
export type OffloadVerdict = 'right' | 'wrong' | 'unknown';

/**
 * Whether the checksums that the host leaves to its hardware arrive as they shall. Wrong ones only show in what does
 * not arrive: that is compared with what arrives at the same time with a checksum made in software, several times in
 * a row, so that no loss is taken for it.
 */
export async function judgeOffload({ datagram }: Pick<PathQuestions, 'datagram'>): Promise<OffloadVerdict> {
  const rounds = 4;
  for (let i = 0; i < rounds; i += 1) {
    if (await datagram(true, patientMs)) return 'right';
    if (!(await datagram(false, patientMs))) return 'unknown';
  }
  return 'wrong';
}
