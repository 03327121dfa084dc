/** The course of one websocket with everything around it made up, for what no client can bring about at will. */
import { equal, is } from 'uvu/assert';
import type { WebSocket } from 'ws';
import { readConfig } from '../../../src/main/config.ts';
import type { ConnectionWatcher } from '../../../src/main/connections/client-connection.ts';
import { createLog } from '../../../src/main/log/log.ts';
import type { SignalledConnection, SignalledConnections } from '../../../src/main/signalling/signalled.ts';
import { Signalling } from '../../../src/main/signalling/signalling.ts';
import { NO_TELEMETRY } from '../../../src/main/telemetry.ts';
import { FakeSocket } from '../../support/fake-socket.ts';
import { readOffer } from '../../support/offers.ts';
import { scenarios } from '../../support/scenario.ts';
import { LOCAL } from '../../support/sdp-syntax.ts';

const test = scenarios('order of signalling');

/** A connection that has a place and no peer. */
interface FakeConnection extends SignalledConnection {
  watcher: ConnectionWatcher | null;
}

interface Course {
  readonly socket: FakeSocket;
  readonly signalling: Signalling<FakeConnection>;
  /** What the signalling asked of the connections, in order. */
  readonly calls: string[];
  /** Lets the native library be done with the offer. */
  answer(): Promise<void>;
}

/** Opens a websocket whose connection is set up when the test says so. */
function begin(): Course {
  const calls: string[] = [];
  const socket = new FakeSocket();
  let ready: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    ready = resolve;
  });
  const connection: FakeConnection = {
    id: 1,
    logged: 1,
    request: null,
    state: 'signalling',
    answeredAt: 0,
    reachable: false,
    awaitsMembership: false,
    watcher: null,
    peer: null,
  };
  const connections: SignalledConnections<FakeConnection> = {
    begin: (_, watcher) => {
      connection.watcher = watcher;
      calls.push('begin');
    },
    admit: () => true,
    open: async () => {
      calls.push('open');
      await opened;
      return { local: LOCAL, ssrcs: [1, 2, 3] };
    },
    end: (_, reason, detail) => {
      calls.push(`end ${reason}`);
      connection.watcher?.ended(reason, detail);
    },
  };
  const signalling = new Signalling(
    socket as unknown as WebSocket,
    connection,
    connections,
    readConfig({}),
    createLog('silent'),
    NO_TELEMETRY,
  );
  const answer = async (): Promise<void> => {
    ready();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { socket, signalling, calls, answer };
}

const OFFER = readOffer('chromium-156-slots-3');

/** The offer with so many candidates on each of its m-lines. */
function withCandidates(each: number): string {
  const lines = Array.from({ length: each }, (_, i) => `a=candidate:${i} 1 udp 1 192.0.2.${i} 9000 typ host\r\n`);
  return OFFER.replace(/a=candidate:.*\r\n/g, '').replace(/(?=a=ice-ufrag)/g, lines.join(''));
}

test('an offer is answered once, and the end of the connection ends the websocket once', async () => {
  const { socket, signalling, calls, answer } = begin();
  socket.says(OFFER);
  equal(calls, ['begin', 'open']);
  await answer();
  is(socket.sent.length, 1);
  signalling.connected();
  signalling.ended('gone', 'closed');
  equal(socket.closedWith, { code: 1000, reason: 'connected' });
  socket.emit('close', 1000);
  equal(calls, ['begin', 'open'], 'a connection that stands outlives its websocket');
});

test('a websocket that is closed before the answer ends the connection, and no answer is sent', async () => {
  const { socket, calls, answer } = begin();
  socket.says(OFFER);
  socket.emit('close', 1006);
  await answer();
  equal(calls, ['begin', 'open', 'end signalling']);
  is(socket.sent.length, 0);
});

test('a connection that is replaced or drained before the answer gets no answer', async () => {
  for (const [reason, code] of [
    ['replaced', 4409],
    ['draining', 1012],
    ['gone', 4502],
    ['signalling', 1011],
  ] as const) {
    const { socket, signalling, answer } = begin();
    socket.says(OFFER);
    signalling.ended(reason, 'so it was');
    await answer();
    is(socket.closedWith?.code, code);
    is(socket.sent.length, 0);
    socket.says(OFFER);
    socket.emit('close', code);
  }
});

test('an offer with many candidates on each m-line, as of a machine with many addresses, is answered', async () => {
  const { socket, answer } = begin();
  socket.says(withCandidates(70));
  await answer();
  is(socket.closedWith, null);
  is(socket.sent.length, 1);
});

test('nothing is set up for a connection that has ended, whatever its offer ended it for', async () => {
  const { socket, calls, answer } = begin();
  socket.says(withCandidates(200));
  await answer();
  if (socket.closedWith !== null) equal(calls, ['begin', 'end signalling']);
});

test.run();
