import { Option } from 'commander';
import type { Command } from 'commander';
import type { Finding } from '../host/finding.ts';
import { addConfigOptions, readConfig } from './config-options.ts';
import { ExitCode } from './failure.ts';

interface DoctorOptions {
  readonly output: 'text' | 'json';
}

/** `weft doctor`: everything on this host that can be in the way of pods, with its remedy. */
export function addDoctorCommand(program: Command): void {
  const doctor = program
    .command('doctor')
    .description(
      'look for everything on this host that is in the way of pods; exit code 1 when there is something',
    )
    .addOption(
      new Option('-o, --output <format>', 'how to show it').choices(['text', 'json']).default('text'),
    );
  addConfigOptions(doctor, 'agent').action(async () => {
    const [{ checkRoot }, { examineHost }] = await Promise.all([
      import('../node/preflight.ts'),
      import('../host/examination.ts'),
    ]);
    checkRoot();
    const findings = await examineHost(readConfig(doctor));
    const { output } = doctor.opts<DoctorOptions>();
    process.stdout.write(
      output === 'json' ? `${JSON.stringify(findings, undefined, 2)}\n` : renderFindings(findings),
    );
    if (findings.some(({ state }) => state === 'trouble')) throw new ExitCode(1);
  });
}

const words: Readonly<Record<Finding['state'], string>> = {
  well: 'ok',
  note: 'note',
  mended: 'mended',
  unclear: 'unclear',
  trouble: 'TROUBLE',
};

function renderFindings(findings: readonly Finding[]): string {
  return findings
    .map(({ check, state, found, remedy }) => {
      const line = `${words[state].padEnd(8)} ${check}: ${found}\n`;
      return remedy === undefined ? line : `${line}${' '.repeat(9)}remedy: ${remedy}\n`;
    })
    .join('');
}
