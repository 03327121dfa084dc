/** The offers that wait, and who is sent away because of them. */
import { equal, is, ok, throws } from 'uvu/assert';
import { RequestError } from '../../../src/main/errors.ts';
import { OfferQueue } from '../../../src/main/signalling/offer-queue.ts';
import { NO_TELEMETRY } from '../../../src/main/telemetry.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('offers that wait');

interface Client {
  readonly name: string;
}

function setUp(limit: number) {
  const time = { now: 10_000 };
  const waits: number[] = [];
  const later: (() => void)[] = [];
  const clock = {
    now: () => time.now,
    idle: () => time.now,
    after: (_: number, act: () => void) => {
      later.push(act);
      return () => undefined;
    },
  };
  const telemetry = { ...NO_TELEMETRY, offerWaited: (milliseconds: number) => void waits.push(milliseconds) };
  const queue = new OfferQueue<Client>({ MAX_QUEUED_OFFERS: limit }, telemetry, clock);
  /** A client that is granted a websocket. */
  const grant = (name: string): Client => {
    queue.makeSureOfRoom();
    const client = { name };
    queue.expect(client);
    return client;
  };
  /** Makes its offer, which takes so long to answer. */
  const offer = (client: Client, milliseconds = 2): boolean =>
    queue.add(client, () => {
      time.now += milliseconds;
    });
  const refusal = (): RequestError => {
    try {
      queue.makeSureOfRoom();
    } catch (error) {
      if (error instanceof RequestError) return error;
    }
    throw new Error('not refused');
  };
  /** Before the test, all clients made their offers at once. */
  const usual = (): void => {
    for (let i = 0; i < 1000; i++) {
      offer(grant('earlier'), 0.001);
      while (later.length > 0) {
        time.now += 10;
        later.shift()!();
      }
    }
    waits.length = 0;
  };
  return { queue, time, waits, grant, offer, refusal, usual, rest: () => later.shift()?.() };
}

test('a client is sent away for some seconds while as many offers wait as may', () => {
  const { grant, offer, refusal, queue } = setUp(2);
  for (const name of ['ann', 'bob', 'cid']) ok(offer(grant(name)));
  is(queue.length, 2, 'the first is answered at once');
  const error = refusal();
  is(error.kind, 'busy');
  ok(/^[1-9]$/.test(error.headers['Retry-After']!));
  ok(error.message.includes('2 others'));
});

test('clients whose offers are expected soon count, for two seconds', () => {
  const { grant, refusal, time, queue, usual } = setUp(2);
  usual();
  grant('ann');
  grant('bob');
  is(refusal().kind, 'busy');
  time.now += 1999;
  is(refusal().kind, 'busy');
  time.now += 1;
  queue.makeSureOfRoom();
});

test('a flood of websockets without an offer keeps nobody out for longer than two seconds', () => {
  const { grant, offer, refusal, time, queue, usual } = setUp(100);
  usual();
  for (let i = 0; i < 100; i++) grant(`idle ${i}`);
  is(refusal().kind, 'busy');
  for (let second = 0; second < 60; second++) {
    time.now += 2000;
    for (let i = 0; i < 1000 && second > 2; i++) grant(`idle ${i}`);
    queue.makeSureOfRoom();
    for (let i = 0; i < 50; i++) grant(`idle ${i}`);
  }
  ok(offer(grant('ann')));
});

test('a client that goes away before its offer, or while it waits, makes room', () => {
  const { grant, offer, refusal, queue, usual } = setUp(2);
  usual();
  offer(grant('first'));
  const [ann, bob] = [grant('ann'), grant('bob')];
  is(refusal().kind, 'busy');
  queue.drop(ann);
  queue.makeSureOfRoom();
  offer(bob);
  const cid = grant('cid');
  is(refusal().kind, 'busy');
  queue.drop(bob);
  queue.makeSureOfRoom();
  queue.drop(cid);
  is(queue.length, 0);
});

test('an offer that comes when as many wait as may is not taken', () => {
  const { grant, offer, time, usual } = setUp(1);
  usual();
  const late = grant('late');
  time.now += 5000;
  offer(grant('ann'));
  offer(grant('bob'));
  is(offer(late), false);
});

test('nobody begins to wait who would wait for too long, however many may', () => {
  const { grant, offer, refusal, rest, time, queue } = setUp(10_000);
  // Each takes a tenth of a second with its rest.
  for (let i = 0; i < 200; i++) {
    offer(grant(`${i}`), 50);
    time.now += 50;
    rest();
  }
  throws(() => {
    for (let i = 0; i < 100; i++) offer(grant(`more ${i}`));
  });
  ok(queue.length > 50 && queue.length < 90, `${queue.length}`);
  const asked = new Set(Array.from({ length: 200 }, () => Number(refusal().headers['Retry-After'])));
  equal([Math.min(...asked), Math.max(...asked)], [1, 9], 'those who are refused together come back one by one');
});

test('how long each offer waited is told', () => {
  const { grant, offer, rest, time, waits } = setUp(10);
  offer(grant('ann'));
  offer(grant('bob'));
  time.now += 30;
  rest();
  equal(waits, [0, 30]);
});

test.run();
