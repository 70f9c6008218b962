import { CniError, cniCodes } from './cni-error.ts';

const cniVerbs = ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS', 'VERSION'] as const;
export type CniVerb = (typeof cniVerbs)[number];

/** What the plugin's environment says. */
export interface CniEnvironment {
  readonly verb: CniVerb;
  readonly containerId: string;
  readonly netns: string;
  readonly ifname: string;
  /** CNI_ARGS: `K8S_POD_NAME=web;K8S_POD_NAMESPACE=default`. */
  readonly args: ReadonlyMap<string, string>;
}

/** What the plugin hands over: its variables and its configuration (cni/weft-cni.c). */
export interface CniCall {
  readonly variables: ReadonlyMap<string, string>;
  readonly config: string;
}

/** Variables without which a verb means nothing. */
const required: Readonly<Record<CniVerb, readonly string[]>> = {
  ADD: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME', 'CNI_PATH'],
  DEL: ['CNI_CONTAINERID', 'CNI_IFNAME'],
  CHECK: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME', 'CNI_PATH'],
  GC: [],
  STATUS: [],
  VERSION: [],
};

/** Ids are parts of files' names, which hold 255 bytes. */
const maxIdLength = 200;
const idPattern = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;

/** Takes a plugin's message apart: variables, each ended by NUL, one more NUL, the configuration. */
export function decodeCall(message: Buffer): CniCall {
  const variables = new Map<string, string>();
  let start = 0;
  for (;;) {
    const end = message.indexOf(0, start);
    if (end < 0) throw new CniError(cniCodes.ioFailure, 'the plugin sent half a message');
    const entry = message.toString('utf8', start, end);
    start = end + 1;
    if (entry === '') return { variables, config: message.toString('utf8', start) };
    const equals = entry.indexOf('=');
    variables.set(entry.slice(0, equals), entry.slice(equals + 1));
  }
}

/** @throws CniError `badEnvironment` */
export function parseEnvironment(variables: ReadonlyMap<string, string>): CniEnvironment {
  const value = (name: string): string => variables.get(name) ?? '';
  const command = value('CNI_COMMAND');
  const verb = cniVerbs.find((known) => known === command);
  if (verb === undefined)
    throw bad(`CNI_COMMAND ${JSON.stringify(command)} is none of ${cniVerbs.join(', ')}`);
  const missing = required[verb].filter((name) => value(name) === '');
  if (missing.length > 0) throw bad(`${verb} needs ${missing.join(', ')}`);
  const [containerId, ifname] = [value('CNI_CONTAINERID'), value('CNI_IFNAME')];
  if (containerId !== '' && (!isIdentifier(containerId) || containerId.length > maxIdLength))
    throw bad(`CNI_CONTAINERID ${JSON.stringify(containerId)} is no id`);
  const mistake = ifname === '' ? undefined : interfaceNameMistake(ifname);
  if (mistake !== undefined) throw bad(`CNI_IFNAME ${JSON.stringify(ifname)} ${mistake}`);
  return { verb, containerId, netns: value('CNI_NETNS'), ifname, args: parseArgs(value('CNI_ARGS')) };
}

/** Whether a text is allowed as a container's id or a network's name. */
export function isIdentifier(text: string): boolean {
  return idPattern.test(text);
}

/** Why the kernel would not take a text as the name of an interface (dev_valid_name). */
function interfaceNameMistake(name: string): string | undefined {
  if (Buffer.byteLength(name) > 15) return 'is longer than 15 bytes';
  if (name === '.' || name === '..') return 'is the name of a directory';
  return /[/:\s]/.test(name) ? 'has a slash, a colon or white space in it' : undefined;
}

function parseArgs(text: string): Map<string, string> {
  const args = new Map<string, string>();
  for (const pair of text.split(';').filter(Boolean)) {
    const equals = pair.indexOf('=');
    if (equals < 1) throw bad(`CNI_ARGS has ${JSON.stringify(pair)}, which is no KEY=VALUE`);
    args.set(pair.slice(0, equals), pair.slice(equals + 1));
  }
  return args;
}

function bad(message: string): CniError {
  return new CniError(cniCodes.badEnvironment, message);
}
