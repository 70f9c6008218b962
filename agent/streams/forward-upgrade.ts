import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, createWebSocketStream } from 'ws';
import type { DialPort, PodRef } from './pod-streams.ts';
import { forwardOverSpdy, forwardProtocol } from './spdy-forward.ts';
import { StreamError } from './stream-error.ts';
import { forwardOverMessages } from './websocket-forward.ts';
import { guardConnection, offeredProtocols, shakeHands } from './websocket-handshake.ts';

/** Serves one upgraded request for ports of a pod until it has ended. */
export type ServeForward = (socket: Duplex, head: Buffer, dial: DialPort) => Promise<void>;

/** kubectl from 1.31 on: a whole SPDY connection inside the messages of a WebSocket. */
const tunnelProtocol = `SPDY/3.1+${forwardProtocol}`;

const messageProtocol = 'v4.channel.k8s.io';

/** Larger than anything clients send in one message. */
const maxPayload = 16 * 1024 * 1024;

/** `ws` takes a `/` in a protocol's name for a mistake: it is told of none, and the answer gets it by hand. */
const tunnels = new WebSocketServer({ noServer: true, maxPayload, perMessageDeflate: false });
tunnels.on('headers', (headers) => headers.push(`Sec-WebSocket-Protocol: ${tunnelProtocol}`));

const messages = new WebSocketServer({
  noServer: true,
  maxPayload,
  perMessageDeflate: false,
  handleProtocols: () => messageProtocol,
});

/**
 * How a request for port-forward is served, by what the client offers. Throws StreamError 400 or 403 when that is
 * nothing of ours.
 */
export function chooseForward(request: IncomingMessage, pod: PodRef, ports: readonly number[]): ServeForward {
  const upgrade = (request.headers.upgrade ?? '').toLowerCase();
  if (upgrade === 'spdy/3.1') return chooseSpdy(request, pod);
  if (upgrade !== 'websocket') throw new StreamError(400, `cannot upgrade to ${upgrade}`);
  const offered = offeredProtocols(request);
  if (offered.includes(tunnelProtocol)) {
    return async (socket, head, dial) => {
      delete request.headers['sec-websocket-protocol'];
      const webSocket = await shakeHands(tunnels, request, socket, head);
      guardConnection(webSocket);
      await forwardOverSpdy(createWebSocketStream(webSocket), pod, dial);
    };
  }
  if (!offered.includes(messageProtocol)) {
    throw new StreamError(400, `the WebSocket protocol must be ${tunnelProtocol} or ${messageProtocol}`);
  }
  if (ports.length === 0) throw new StreamError(400, 'query parameter "port" is required');
  return async (socket, head, dial) => {
    await forwardOverMessages(await shakeHands(messages, request, socket, head), pod, ports, dial);
  };
}

function chooseSpdy(request: IncomingMessage, pod: PodRef): ServeForward {
  const offered = [request.headers['x-stream-protocol-version'] ?? []].flat().join(',').split(',');
  if (!offered.some((name) => name.trim() === forwardProtocol)) {
    throw new StreamError(403, `X-Stream-Protocol-Version must be ${forwardProtocol}`);
  }
  return async (socket, head, dial) => {
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n' +
        `X-Stream-Protocol-Version: ${forwardProtocol}\r\n\r\n`,
    );
    if (head.length > 0) socket.unshift(head);
    await forwardOverSpdy(socket, pod, dial);
  };
}
