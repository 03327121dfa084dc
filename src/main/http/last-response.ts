/** The response to a request whose upgrade is refused or ignored. */
import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { type Duplex, PassThrough } from 'node:stream';
import { LINGER_MS } from './listener.ts';

/**
 * Returns the response to a request whose upgrade is refused or ignored. Node has let go of its socket: the response
 * does not wait for those to earlier requests, and it ends the socket, because Node's timeouts no longer apply.
 */
export function lastResponse(request: IncomingMessage, socket: Duplex): ServerResponse {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  const sink = new PassThrough();
  response.assignSocket(sink as unknown as Socket);
  response.on('finish', () => sink.end());
  sink.pipe(socket);
  socket.resume();
  socket.once('finish', () => setTimeout(() => socket.destroy(), LINGER_MS).unref());
  return response;
}
