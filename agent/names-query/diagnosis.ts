import { get } from 'node:http';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { identifyProcess } from '../pods/record.ts';

/** Longest wait for the agent's own word. */
const HEALTH_WITHIN_MS = 1000;

/** How this node's agent does: one sentence, for who got no answer. */
export async function diagnoseAgent(agent: { runDir: string; healthPort: number }): Promise<string> {
  const pid = lockHolder(agent.runDir);
  if (pid === undefined) return 'no agent runs on this node: systemctl status weft@agent';
  const process = `the agent (process ${pid})`;
  try {
    const text = await readHealth(agent.healthPort);
    const trouble = text.split('\n').filter((line) => line !== '' && !/: ok( |$)/.test(line));
    return trouble.length === 0
      ? `${process} says that all is well`
      : `${process} says: ${trouble.join('; ')}`;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ECONNREFUSED')
      return `${process} is starting: it does not answer on port ${agent.healthPort} yet`;
    return `${process} does not answer on port ${agent.healthPort} either: it hangs, or the machine is overloaded`;
  }
}

function lockHolder(runDir: string): number | undefined {
  try {
    const pid = Number.parseInt(readFileSync(join(runDir, 'agent.lock'), 'utf8'), 10);
    return identifyProcess(pid) ? pid : undefined;
  } catch {
    return undefined; // No lock: nobody holds it.
  }
}

function readHealth(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(HEALTH_WITHIN_MS);
    get({ host: '127.0.0.1', port, path: '/readyz', signal }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve(text));
      response.on('error', reject);
    }).on('error', reject);
  });
}
