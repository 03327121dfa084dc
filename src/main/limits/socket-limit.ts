/**
 * How many clients may have a TCP connection, so that a crowd of them is told so before the process has no file
 * descriptors left. With none left libuv hangs up whoever comes, without a word.
 */
import { readdirSync, readFileSync } from 'node:fs';
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { RequestError } from '../errors.ts';

/** Descriptors kept back, a share of all, and most: for refusals, operators, other services and libraries. */
const RESERVE_SHARE = 0.1;
const MAX_RESERVE = 256;
/** How long a connection beyond the limit has for its request and the answer, milliseconds. */
const PATIENCE_MS = 1000;

/** TCP connections that there are descriptors for, beside those that are open now; Infinity where nobody can tell. */
export function socketsAllowed(): number {
  try {
    const soft = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    if (soft === undefined) return Number.POSITIVE_INFINITY;
    const limit = Number(soft);
    const reserve = Math.min(MAX_RESERVE, Math.ceil(limit * RESERVE_SHARE));
    return Math.max(1, limit - reserve - readdirSync('/proc/self/fd').length);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

export class SocketLimit {
  private max = Number.POSITIVE_INFINITY;
  private open = 0;
  private readonly beyond = new WeakSet<object>();

  /** Counts the connections of a server from now on. @param max as many are served. */
  watch(server: Server, max: number): void {
    this.max = max;
    server.on('connection', (socket) => this.opened(socket));
  }

  /** @throws RequestError `full` if a request came over a connection beyond the limit. */
  check(socket: object): void {
    if (!this.beyond.has(socket)) return;
    const detail = `All ${this.max} TCP connections are in use; try again later, or raise the limit of open files.`;
    throw new RequestError('full', detail, { 'Retry-After': '5', Connection: 'close' });
  }

  private opened(socket: Socket): void {
    this.open++;
    let patience: NodeJS.Timeout | undefined;
    if (this.open > this.max) {
      this.beyond.add(socket);
      patience = setTimeout(() => socket.destroy(), PATIENCE_MS);
    }
    socket.once('close', () => {
      this.open--;
      clearTimeout(patience);
    });
  }
}
