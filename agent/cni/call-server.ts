import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { dirname } from 'node:path';
import type { CniCall } from '../../cni/call.ts';
import { decodeCall } from '../../cni/call.ts';

/** What the plugin prints, and its exit code. */
export interface CallAnswer {
  readonly exitCode: number;
  readonly text: string;
  /** Called instead of telling it when the plugin is gone by then. */
  readonly onLost?: () => Promise<void>;
}

export interface CallServerOptions {
  readonly path: string;
  readonly answer: (call: CniCall) => Promise<CallAnswer>;
  readonly onError: (error: unknown) => void;
}

/** No configuration is anywhere near as large. */
const maxCallBytes = 4 << 20;

/**
 * Listens where the plugin calls (cni/weft-cni.c has the protocol). A socket that an agent before left is replaced:
 * only one agent of a node runs. Only root may call.
 */
export async function serveCalls(options: CallServerOptions): Promise<AsyncDisposable> {
  const { path } = options;
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  rmSync(path, { force: true });
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    serve(socket, options);
  });
  await listen(server, path);
  return {
    async [Symbol.asyncDispose]() {
      // Calls under way get their answer; nobody is waited for longer than an answer takes.
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
    },
  };
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      chmodSync(path, 0o600);
      resolve();
    });
  });
}

function serve(socket: Socket, { answer, onError }: CallServerOptions): void {
  const parts: Buffer[] = [];
  let length = 0;
  socket.on('error', () => undefined); // a plugin that was killed: told by the callback of whoever writes to it
  socket.on('data', (part) => {
    parts.push(part);
    length += part.length;
    if (length > maxCallBytes) socket.destroy();
  });
  socket.once('end', () => {
    respond(socket, Buffer.concat(parts), answer).catch((error: unknown) => {
      socket.destroy();
      onError(error);
    });
  });
}

async function respond(socket: Socket, message: Buffer, answer: CallServerOptions['answer']): Promise<void> {
  const { exitCode, text, onLost } = await answer(decodeCall(message));
  const told = await new Promise<boolean>((resolve) => {
    socket.end(`${exitCode} ${Buffer.byteLength(text)}\n${text}`, () => resolve(!socket.errored));
    socket.once('close', () => resolve(!socket.errored));
  });
  if (!told) await onLost?.();
}
