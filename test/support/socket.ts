import { once } from 'node:events';
import { type ClientOptions, WebSocket } from 'ws';
import { claimHeader } from './server.ts';

/** A websocket at `/connect` whose messages the test sends and reads itself. */
export interface SignallingSocket {
  readonly socket: WebSocket;
  /** Text frames so far. */
  readonly messages: string[];
  /** Returns the next text frame; rejects if the websocket closes first. */
  next(): Promise<string>;
  /** Resolves once either side has closed the websocket. */
  readonly closed: Promise<{ code: number; reason: string }>;
}

/** Opens a websocket at `/connect`. @throws Error if the server refuses the upgrade. */
export async function openSocket(
  url: string,
  userid: string,
  clientid = 'client',
  options: ClientOptions = {},
): Promise<SignallingSocket> {
  const headers = claimHeader(userid, clientid);
  const socket = new WebSocket(`${url.replace('http', 'ws')}/connect?token=x`, { headers, ...options });
  const messages: string[] = [];
  let taken = 0;
  let wake: () => void = () => undefined;
  socket.on('message', (data, isBinary) => {
    messages.push(isBinary ? '(binary)' : String(data));
    wake();
  });
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.once('close', (code, reason) => {
      resolve({ code, reason: reason.toString('utf8') });
      wake();
    });
  });
  await once(socket, 'open');
  socket.on('error', () => undefined);
  const next = async (): Promise<string> => {
    while (messages.length <= taken) {
      if (socket.readyState === WebSocket.CLOSED) throw new Error(`closed: ${JSON.stringify(await closed)}`);
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    return messages[taken++]!;
  };
  return { socket, messages, next, closed };
}
