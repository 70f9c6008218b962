import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AgentError } from '../agent-error.ts';
import { writeFileDurably } from '../durable-file.ts';
import { labsStateDir, planLab } from './lab-plan.ts';
import type { LabPlan, LabSettings } from './lab-plan.ts';

/** What a user asks of `weft lab up`; what is missing stays as it is, or takes its default. */
export type LabWishes = Partial<Omit<LabSettings, 'name'>>;

const defaults = {
  nodes: 3,
  backend: 'iptables',
  networkMode: 'auto',
  podLink: 'bridge',
  apiPort: 6443,
} as const;

function settingsFile(name: string): string {
  return join(labsStateDir, name, 'lab.json');
}

/** A lab's settings as stored, or undefined when there is no such lab (or none that got that far). */
export function readLabSettings(name: string): LabSettings | undefined {
  const file = settingsFile(name);
  if (!existsSync(file)) return undefined;
  return { ...defaults, ...parseSettings(name, file), name };
}

function parseSettings(name: string, file: string): Partial<LabSettings> {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Partial<LabSettings>;
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new AgentError('bad-lab', `${file} is damaged`, `end the lab: weft lab --name ${name} down`, cause);
  }
}

/** The settings a lab is to have: wishes over what is stored over defaults. */
export function mergeLabSettings(
  name: string,
  stored: LabSettings | undefined,
  wishes: LabWishes,
): LabSettings {
  const { nodes, backend, networkMode, podLink, apiPort } = { ...defaults, ...stored, ...wishes };
  return { name, nodes, backend, networkMode, podLink, apiPort };
}

export function writeLabSettings(settings: LabSettings): void {
  mkdirSync(join(labsStateDir, settings.name), { recursive: true, mode: 0o700 });
  writeFileDurably(settingsFile(settings.name), `${JSON.stringify(settings)}\n`, 0o600);
}

/** The plan of a lab that is there. Throws AgentError `no-lab`. */
export function openLab(name: string): LabPlan {
  const settings = readLabSettings(name);
  if (settings) return planLab(settings);
  throw new AgentError('no-lab', `there is no lab ${name}`, `bring it up: weft lab --name ${name} up`);
}
