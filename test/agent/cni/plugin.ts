import { spawn } from 'node:child_process';
import path from 'node:path';

/** What scripts/build.ts made of cni/weft-cni.c. */
export const pluginFile = path.join(import.meta.dirname, '../../../dist/weft-cni');

export interface PluginCall {
  readonly verb: string;
  readonly containerId?: string;
  readonly netns?: string;
  readonly ifname?: string;
  readonly args?: string;
  /** Fields of the configuration beside its name and version. */
  readonly config?: Readonly<Record<string, unknown>>;
}

export interface PluginAnswer {
  readonly exitCode: number | null;
  /** What stdout says; undefined: nothing. */
  readonly said: Readonly<Record<string, unknown>> | undefined;
}

/** A result as ADD prints it. */
export interface PrintedResult {
  readonly cniVersion: string;
  readonly interfaces: readonly { name: string; mac: string; mtu: number; sandbox?: string }[];
  readonly ips: readonly { address: string; gateway: string; interface: number; version?: string }[];
  readonly routes: readonly { dst: string; gw: string }[];
  readonly dns: Readonly<Record<string, unknown>>;
}

/** Calls the plugin as a runtime does. */
export class Plugin {
  readonly #runDir: string;
  readonly #file: string;

  /**
   * @param runDir of the agent that answers
   * @param file the executable
   */
  constructor(runDir: string, file = pluginFile) {
    this.#runDir = runDir;
    this.#file = file;
  }

  call(call: PluginCall): Promise<PluginAnswer> {
    const { verb, containerId = '', netns = '', ifname = 'eth0', args = '', config = {} } = call;
    const variables = {
      CNI_COMMAND: verb,
      CNI_CONTAINERID: containerId,
      CNI_NETNS: netns,
      CNI_IFNAME: ifname,
      CNI_ARGS: args,
      CNI_PATH: path.dirname(pluginFile),
      WEFT_RUN_DIR: this.#runDir,
    };
    const set = Object.entries(variables).filter(([, value]) => value !== '');
    const text = JSON.stringify({ cniVersion: '1.1.0', name: 'weft', type: 'weft-cni', ...config });
    return runPlugin(this.#file, Object.fromEntries(set), text);
  }

  /** Calls and wants success. */
  async succeed(call: PluginCall): Promise<Readonly<Record<string, unknown>> | undefined> {
    const { exitCode, said } = await this.call(call);
    if (exitCode !== 0) throw new Error(`${call.verb}: ${exitCode ?? 'a signal'}: ${JSON.stringify(said)}`);
    return said;
  }

  async add(call: Omit<PluginCall, 'verb'>): Promise<PrintedResult> {
    return (await this.succeed({ ...call, verb: 'ADD' })) as unknown as PrintedResult;
  }
}

function runPlugin(
  file: string,
  variables: Readonly<Record<string, string>>,
  text: string,
): Promise<PluginAnswer> {
  const child = spawn(file, { env: variables, stdio: ['pipe', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (part: Buffer) => (output += part.toString()));
  child.stdin.on('error', () => undefined); // the plugin may end without reading
  child.stdin.end(text);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exitCode) => {
      const said = output === '' ? undefined : (JSON.parse(output) as Record<string, unknown>);
      resolve({ exitCode, said });
    });
  });
}
