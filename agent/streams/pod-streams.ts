import type { Duplex, Readable, Writable } from 'node:stream';

/** One pod of this node. */
export interface PodRef {
  readonly namespace: string;
  readonly pod: string;
}

/** One container of a pod of this node. */
export interface ContainerRef extends PodRef {
  readonly container: string;
}

export interface ExecRequest extends ContainerRef {
  /** Program and arguments; never empty. */
  readonly command: readonly string[];
  /** A terminal: stdout carries everything, there is no stderr, {@link ContainerProcess.resize} works. */
  readonly tty: boolean;
  /** Whether anybody will write to stdin; when false it is at its end from the start. */
  readonly stdin: boolean;
}

export interface AttachRequest extends ContainerRef {
  readonly tty: boolean;
  readonly stdin: boolean;
}

/** A process in a container, as its streams. All streams carry bytes and apply back-pressure. */
export interface ContainerProcess {
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** Undefined with a terminal. */
  readonly stderr: Readable | undefined;
  /** Sets the terminal's size in characters; without a terminal it does nothing. */
  resize(columns: number, rows: number): void;
  /** Resolves when the process has ended; 128 + n when signal n ended it. Rejects when it never ran. */
  readonly exitCode: Promise<number>;
  /** The client is gone: ends an exec'd process (SIGHUP, then SIGKILL), detaches from an attached one. */
  close(): void;
}

/** The query of `kubectl logs`, as core/v1 PodLogOptions names it. */
export interface LogOptions {
  readonly follow: boolean;
  /** The container's previous run. */
  readonly previous: boolean;
  /** Each line starts with its RFC 3339 time with nanoseconds and a space. */
  readonly timestamps: boolean;
  /** Only the last n lines. */
  readonly tailLines?: number;
  /** Only lines at most this old. */
  readonly sinceSeconds?: number;
  /** Only lines of this RFC 3339 time and later. */
  readonly sinceTime?: string;
  /** End after this many bytes. */
  readonly limitBytes?: number;
}

/** Connects to a port inside a pod. Rejects when nothing answers there. */
export type DialPort = (port: number) => Promise<Duplex>;

/**
 * What the node's server needs of the pods: implemented by agent/pods, called by agent/streams.
 * Methods throw {@link StreamError} for what the caller did wrong (no such container, not running).
 */
export interface PodStreams {
  /** Starts a process in a running container. */
  exec(request: ExecRequest): Promise<ContainerProcess>;
  /** Joins the container's first process. */
  attach(request: AttachRequest): Promise<ContainerProcess>;
  /** The container's log as text; destroying the stream ends a follow. */
  logs(container: ContainerRef, options: LogOptions): Promise<Readable>;
  /** The way to the ports of a running pod, on its own loopback addresses. */
  ports(pod: PodRef): Promise<DialPort>;
}
