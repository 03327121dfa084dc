/** How many TCP connections are served, and what becomes of one beyond that. */
import { EventEmitter } from 'node:events';
import type { Server } from 'node:http';
import { equal, is, ok, throws } from 'uvu/assert';
import { SocketLimit, socketsAllowed } from '../../../src/main/limits/socket-limit.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('socket limit');

class FakeSocket extends EventEmitter {
  destroyed = 0;
  destroy(): void {
    this.destroyed++;
    this.emit('close');
  }
}

function setUp(max: number) {
  const server = new EventEmitter();
  const limit = new SocketLimit();
  limit.watch(server as Server, max);
  const connect = (): FakeSocket => {
    const socket = new FakeSocket();
    server.emit('connection', socket);
    return socket;
  };
  const isServed = (socket: FakeSocket): boolean => {
    try {
      limit.check(socket);
      return true;
    } catch {
      return false;
    }
  };
  return { limit, connect, isServed };
}

test('connections up to the limit are served, the next is refused, and each one that closes makes room', () => {
  const { connect, isServed } = setUp(2);
  const [first, second, third] = [connect(), connect(), connect()];
  equal([first, second, third].map(isServed), [true, true, false]);
  third.emit('close');
  first.emit('close');
  const fourth = connect();
  equal([fourth, connect()].map(isServed), [true, false]);
  is(isServed(third), false, 'what came beyond the limit stays beyond it');
});

test('a request beyond the limit is told that the server is full, when to come again, and to hang up', () => {
  const { limit, connect } = setUp(0);
  throws(
    () => limit.check(connect()),
    (error: Error & { kind?: string }) => error.kind === 'full' && /All 0 TCP connections/.test(error.message),
  );
});

test('a connection beyond the limit that asks for nothing is ended after a second, and one within it is not', async () => {
  const { connect } = setUp(1);
  const [within, beyond, gone] = [connect(), connect(), connect()];
  gone.emit('close');
  await new Promise((resolve) => beyond.once('close', resolve));
  equal([within.destroyed, beyond.destroyed, gone.destroyed], [0, 1, 0]);
});

test('some connections are allowed, whatever the process has open', () => {
  ok(socketsAllowed() >= 1);
});

test.run();
