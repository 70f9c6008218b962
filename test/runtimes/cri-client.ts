import { credentials, loadPackageDefinition } from '@grpc/grpc-js';
import type { Client, ServiceError } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { join } from 'node:path';

/** A sandbox's configuration, as far as tests set it (see cri.proto). */
export interface PodSandboxConfig {
  readonly metadata: { readonly name: string; readonly uid: string; readonly namespace: string };
  readonly hostname: string;
  readonly dns_config?: { readonly servers: readonly string[]; readonly searches: readonly string[] };
  readonly port_mappings?: readonly {
    readonly protocol?: 'TCP' | 'UDP';
    readonly container_port: number;
    readonly host_port: number;
    readonly host_ip?: string;
  }[];
  readonly annotations?: Readonly<Record<string, string>>;
  readonly linux: { readonly cgroup_parent: string };
}

export interface ExecResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

/** How long one call may take; a sandbox that cannot be made is told long before. */
const deadlineMs = 60_000;

type Call = (
  request: object,
  options: { readonly deadline: number },
  callback: (error: ServiceError | null, answer: unknown) => void,
) => void;
type RuntimeService = new (
  address: string,
  rights: ReturnType<typeof credentials.createInsecure>,
) => Client & Record<string, Call>;

/** Speaks to a container runtime as kubelet does. */
export class CriClient implements Disposable {
  readonly #service: InstanceType<RuntimeService>;

  constructor(socket: string) {
    const definition = loadSync(join(import.meta.dirname, 'cri.proto'), { keepCase: true, longs: Number });
    const { runtime } = loadPackageDefinition(definition) as unknown as {
      readonly runtime: { readonly v1: { readonly RuntimeService: RuntimeService } };
    };
    this.#service = new runtime.v1.RuntimeService(`unix://${socket}`, credentials.createInsecure());
  }

  async runSandbox(config: PodSandboxConfig): Promise<string> {
    const { pod_sandbox_id } = await this.#call<{ pod_sandbox_id: string }>('RunPodSandbox', { config });
    return pod_sandbox_id;
  }

  /** The ids of all sandboxes that the runtime knows of. */
  async listSandboxes(): Promise<string[]> {
    const { items = [] } = await this.#call<{ items?: { id: string }[] }>('ListPodSandbox', {});
    return items.map(({ id }) => id);
  }

  /** All addresses of a sandbox, the primary one first. */
  async addressesOf(sandbox: string): Promise<string[]> {
    const { status } = await this.#call<{
      status: { network: { ip: string; additional_ips?: { ip: string }[] } };
    }>('PodSandboxStatus', { pod_sandbox_id: sandbox });
    return [status.network.ip, ...(status.network.additional_ips ?? []).map(({ ip }) => ip)];
  }

  /** Starts a container in a sandbox and returns its id. */
  async startContainer(
    sandbox: string,
    sandboxConfig: PodSandboxConfig,
    image: string,
    command: readonly string[],
  ): Promise<string> {
    const config = { metadata: { name: 'main' }, image: { image }, command };
    const request = { pod_sandbox_id: sandbox, config, sandbox_config: sandboxConfig };
    const { container_id } = await this.#call<{ container_id: string }>('CreateContainer', request);
    await this.#call('StartContainer', { container_id });
    return container_id;
  }

  async exec(container: string, ...cmd: string[]): Promise<ExecResult> {
    const answer = await this.#call<{ stdout?: Buffer; stderr?: Buffer; exit_code?: number }>('ExecSync', {
      container_id: container,
      cmd,
      timeout: 30,
    });
    const { stdout = '', stderr = '', exit_code: exitCode = 0 } = answer;
    return { stdout: stdout.toString(), stderr: stderr.toString(), exitCode };
  }

  /** Ends a sandbox's containers and takes its network away. */
  async stopSandbox(sandbox: string): Promise<void> {
    await this.#call('StopPodSandbox', { pod_sandbox_id: sandbox });
  }

  /** Stops and removes a sandbox with its containers. */
  async removeSandbox(sandbox: string): Promise<void> {
    await this.stopSandbox(sandbox);
    await this.#call('RemovePodSandbox', { pod_sandbox_id: sandbox });
  }

  [Symbol.dispose](): void {
    this.#service.close();
  }

  #call<T>(method: string, request: object): Promise<T> {
    return new Promise((resolve, reject) => {
      const options = { deadline: Date.now() + deadlineMs };
      this.#service[method]?.(request, options, (error, answer) => {
        if (error) reject(new Error(`${method}: ${error.details}`, { cause: error }));
        else resolve(answer as T);
      });
    });
  }
}
