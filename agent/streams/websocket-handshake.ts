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

/** A paused socket does not show that the peer is gone; a write to it does. */
export function keepAlive(webSocket: WebSocket): void {
  const ping = setInterval(() => webSocket.ping(), 30_000);
  webSocket.once('close', () => clearInterval(ping));
}
