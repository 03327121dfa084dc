/** The course of one websocket with everything around it made up, for what no client can bring about at will. */
import { equal, is } from 'uvu/assert';
import type { WebSocket } from 'ws';
import { type Config, readConfig } from '../../../src/main/config.ts';
import type { ConnectionWatcher } from '../../../src/main/connections/client-connection.ts';
import { createLog } from '../../../src/main/log/log.ts';
import { OfferQueue } from '../../../src/main/signalling/offer-queue.ts';
import type { SignalledConnection, SignalledConnections } from '../../../src/main/signalling/signalled.ts';
import { Signalling } from '../../../src/main/signalling/signalling.ts';
import { NO_TELEMETRY } from '../../../src/main/telemetry.ts';
import { FakeSocket } from '../../support/fake-socket.ts';
import { readOffer } from '../../support/offers.ts';
import { scenarios } from '../../support/scenario.ts';
import { LOCAL } from '../../support/sdp-syntax.ts';

const test = scenarios('order of signalling');
const LOG = createLog('silent');

/** A connection that has a place and no peer. */
interface FakeConnection extends SignalledConnection {
  watcher: ConnectionWatcher | null;
}

interface Course {
  readonly socket: FakeSocket;
  readonly signalling: Signalling<FakeConnection>;
  /** What the signalling asked of the connections, in order. */
  readonly calls: string[];
  /** Where the client may be seen, as the connections were told. */
  readonly addresses: string[];
  /** Lets the native library be done with the offer. */
  answer(): Promise<void>;
}

type Offers = Pick<OfferQueue<FakeConnection>, 'add' | 'drop'>;

/** Opens a websocket whose connection is set up when the test says so. @param given where its offer waits. */
function begin(given: Partial<Config> = {}, offers: Offers = new OfferQueue(readConfig({}), NO_TELEMETRY)): Course {
  const calls: string[] = [];
  const addresses: string[] = [];
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
    offered: () => calls.push('offered'),
    admit: () => true,
    open: async (_, __, seen) => {
      addresses.push(...seen);
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
    offers,
    { ...readConfig({}), ...given },
    LOG,
    NO_TELEMETRY,
  );
  const answer = async (): Promise<void> => {
    ready();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { socket, signalling, calls, addresses, answer };
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
  equal(calls, ['begin', 'offered', 'open']);
  await answer();
  is(socket.sent.length, 1);
  signalling.connected();
  signalling.ended('gone', 'closed');
  equal(socket.closedWith, { code: 1000, reason: 'connected' });
  socket.emit('close', 1000);
  equal(calls, ['begin', 'offered', 'open'], 'a connection that stands outlives its websocket');
});

test('a websocket that is closed before the answer ends the connection, and no answer is sent', async () => {
  const { socket, calls, answer } = begin();
  socket.says(OFFER);
  socket.emit('close', 1006);
  await answer();
  equal(calls, ['begin', 'offered', 'open', 'end signalling']);
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

/** A queue that lets an offer wait until the test says that it is its turn. */
function waiting(room = true): Offers & { turn(): void } {
  let answer: (() => void) | null = null;
  return {
    add: (_, act) => {
      answer = act;
      return room;
    },
    drop: () => {
      answer = null;
    },
    turn: () => answer?.(),
  };
}

test('an offer that waits is answered when its turn comes, however long that takes the server', async () => {
  const offers = waiting();
  const { socket, calls, answer } = begin({ OFFER_TIMEOUT_MS: 20, CONNECT_TIMEOUT_MS: 1000 }, offers);
  socket.says(OFFER);
  await new Promise((resolve) => setTimeout(resolve, 60));
  is(socket.closedWith, null, 'the client made its offer in time');
  equal(calls, ['begin', 'offered']);
  offers.turn();
  await answer();
  is(socket.sent.length, 1);
  equal(calls, ['begin', 'offered', 'open']);
});

test('an offer whose client goes away, or whose connection ends, loses its turn', async () => {
  const offers = waiting();
  const gone = begin({}, offers);
  gone.socket.says(OFFER);
  gone.socket.emit('close', 1006);
  offers.turn();
  equal(gone.calls, ['begin', 'offered', 'end signalling']);
  const replaced = begin({}, offers);
  replaced.socket.says(OFFER);
  replaced.signalling.ended('replaced', '');
  offers.turn();
  equal([replaced.calls, replaced.socket.closedWith?.code], [['begin', 'offered'], 4409]);
});

test('an offer for which there is no place to wait is refused with 1013, so that its client tries again', () => {
  const { socket, calls } = begin({}, waiting(false));
  socket.says(OFFER);
  equal(socket.closedWith, { code: 1013, reason: 'too many clients are connecting: try again later' });
  equal(calls, ['begin', 'offered', 'end signalling']);
});

test('candidates that come while the offer waits are kept', async () => {
  const offers = waiting();
  const { socket, addresses, answer } = begin({}, offers);
  socket.says(withCandidates(0));
  socket.says('candidate:1 1 udp 1 192.0.2.9 9000 typ host');
  offers.turn();
  await answer();
  equal(addresses, ['192.0.2.9 9000']);
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
  if (socket.closedWith !== null) equal(calls, ['begin', 'offered', 'end signalling']);
});

test.run();
