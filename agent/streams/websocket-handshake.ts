import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { WebSocket, WebSocketServer } from 'ws';

/** The protocols a client offers, by its Sec-WebSocket-Protocol header. */
export function offeredProtocols(request: IncomingMessage): string[] {
  return (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
}

/** Answers a WebSocket's handshake. Rejects when the client leaves before it is done. */
export function shakeHands(
  server: WebSocketServer,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    const gone = (): void => reject(new Error('the client went away during the handshake'));
    socket.once('close', gone);
    server.handleUpgrade(request, socket, head, (webSocket) => {
      socket.off('close', gone);
      resolve(webSocket);
    });
  });
}

/** More of our answers than this, and of the data that back-pressure leaves in flight, no honest client leaves unread. */
const maxUnreadBytes = 8 * 1024 * 1024;

/**
 * Sees to it that a connection ends with its peer: a paused socket does not show that the peer is gone, a write to
 * it does. A peer that asks for pongs and never reads them is cut off.
 */
export function guardConnection(webSocket: WebSocket): void {
  const ping = setInterval(() => webSocket.ping(), 30_000);
  webSocket.once('close', () => clearInterval(ping));
  webSocket.on('ping', () => {
    if (webSocket.bufferedAmount > maxUnreadBytes) webSocket.terminate();
  });
  // Errors of the connection are its end; 'close' follows.
  webSocket.on('error', () => webSocket.terminate());
}
