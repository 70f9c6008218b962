import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { eventually, manifest } from '../../scripts/guide/lab-shell.ts';
import {
  matchOutput,
  readTranscript,
  translate,
  type Bindings,
  type TranscriptStep,
} from '../guide/transcript.ts';
import type { Kubectl } from '../kubectls.ts';
import { weft, type TestLab } from './lab-fixture.ts';

/** What changes something is typed once; a look is taken again until it shows what the document says. */
const changes = /^(kubectl (create|delete|scale)|make|sed) /;

/** Types the commands of docs/guide/README.md in a shell of a user of the lab, one after the other. */
export async function typeGuide(t: Test, lab: TestLab, kubectl: Kubectl): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'weft-transcript-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  cpSync(manifest(''), join(dir, 'guide'), { recursive: true });
  mkdirSync(join(dir, 'bin'));
  const program = (name: string, script: string): void =>
    writeFileSync(join(dir, 'bin', name), `#!/bin/bash\n${script}\n`, { mode: 0o755 });
  program('kubectl', `exec ${kubectl.path} --cache-dir ${join(dir, 'cache')} "$@"`);
  program('weft', `shift; exec ${weft} lab --name ${lab.name} "$@"`);
  const kubeconfig = lab.run('kubeconfig').trim();
  const environment = { ...process.env, KUBECONFIG: kubeconfig, PATH: `${dir}/bin:${process.env['PATH']}` };

  let bindings: Bindings = new Map();
  for (const step of readTranscript(readFileSync(manifest('README.md'), 'utf8'))) {
    const command = translate(step.command, bindings).replaceAll('/tmp/', `${dir}/`);
    const attempt = async (): Promise<Bindings> =>
      compare(step, command, await type(command, join(dir, 'guide'), environment), bindings);
    try {
      bindings = await (changes.test(step.command) ? attempt() : eventually(attempt));
      t.pass(`line ${step.line}: ${step.command}`);
    } catch (error) {
      t.fail(`line ${step.line}: ${step.command}`, { found: String(error) });
      // What follows speaks of what this one would have shown.
      return;
    }
  }
}

function compare(step: TranscriptStep, command: string, output: string, bindings: Bindings): Bindings {
  const lines = output.trimEnd() === '' ? [] : output.trimEnd().split('\n');
  const result = matchOutput(step.output, lines, bindings);
  if ('bindings' in result) return result.bindings;
  throw new Error(`${command}: ${result.mismatch}\n${output}`);
}

/** What a terminal would show: both streams, in the order of their lines. */
function type(command: string, cwd: string, env: NodeJS.ProcessEnv): Promise<string> {
  return new Promise((resolve) => {
    // A command that fails says so in words; one that hangs has not said what the document says.
    const options = { cwd, env, timeout: 60_000 };
    const shell = execFile('bash', ['-c', `exec 2>&1; ${command}`], options, (_, stdout) => resolve(stdout));
    shell.stdin?.end();
  });
}
