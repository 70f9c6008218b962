import { execa } from 'execa';

/** One answer as a client prints it. */
export interface Printed {
  readonly status: string;
  /** As printed: `qr aa rd ra`. */
  readonly flags: string;
  readonly question: string;
  /** Records in the order they came in, with single spaces; TTLs that run down and the zone's serial replaced. */
  readonly answer: readonly string[];
  readonly authority: readonly string[];
  readonly additional: readonly string[];
  /** Everything that was printed about it. */
  readonly text: string;
}

/** Which program asks; both print alike, and share no code with us or with each other. */
export type Program = 'dig' | 'kdig';

export interface At {
  readonly host: string;
  readonly port: number;
}

/** Runs a client, one question after the other with the same options, and returns the answers. */
export async function query(
  program: Program,
  { host, port }: At,
  options: readonly string[],
  questions: readonly (readonly [name: string, type: string])[],
): Promise<Printed[]> {
  const args = [`@${host}`, '-p', String(port), ...options];
  // Without a timeout and tries of its own a client that is not answered would hold up the test for long.
  const patience = program === 'dig' ? ['+tries=2', '+time=5'] : ['+retry=1', '+time=5'];
  const asked = questions.flatMap(([name, type]) => [name, type]);
  const { stdout } = await execa(program, [...args, ...patience, ...asked]);
  return splitAnswers(stdout).map(parseAnswer);
}

function splitAnswers(stdout: string): string[] {
  const [, ...answers] = stdout.split(/^;; ->>HEADER<<- /m);
  return answers;
}

function parseAnswer(text: string): Printed {
  const section = (name: string): string[] => {
    const lines = new RegExp(`^;; ${name} SECTION:\\n((?:.+\\n)*)`, 'm').exec(text)?.[1] ?? '';
    return lines.split('\n').filter(Boolean).map(renderRecord);
  };
  return {
    status: /status: (\w+)/.exec(text)?.[1] ?? '',
    flags: /^;; [Ff]lags: ([a-z ]*);/m.exec(text)?.[1]?.trim() ?? '',
    question: /^;; QUESTION SECTION:\n;+ ?(\S+)/m.exec(text)?.[1] ?? '',
    answer: section('ANSWER'),
    authority: section('AUTHORITY'),
    additional: section('ADDITIONAL'),
    text,
  };
}

function renderRecord(line: string): string {
  const [name = '', ttl = '', , type = '', ...data] = line.trim().split(/\s+/);
  if (type === 'SOA') data[2] = 'SERIAL';
  // What upstream servers said is kept for a while: what is left of it depends on when it is asked.
  const ours = ['cluster.local.', '10.in-addr.arpa.', 'd.f.ip6.arpa.'];
  const isOurs = ours.some((zone) => name.toLowerCase().endsWith(zone));
  return [name, isOurs ? ttl : 'TTL', type, ...data].join(' ');
}

/** The records of a whole zone in their order; none where the server refuses. */
export async function transfer(program: Program, { host, port }: At): Promise<string[]> {
  const args = [`@${host}`, '-p', String(port), 'cluster.local', 'AXFR'];
  const { stdout } = await execa(program, args, { reject: false });
  return stdout
    .split('\n')
    .filter((line) => /^[^;\s]/.test(line))
    .map(renderRecord);
}
