/** Waits end on time, however busy the event loop is. */
import { equal, is, ok } from 'uvu/assert';
import type { PeerEvents } from '../../src/main/media/media-peer.ts';
import { Peer, peersClosed } from '../../src/main/media/peer.ts';
import { MediaPorts } from '../../src/main/media/ports.ts';
import { planOffer } from '../../src/main/sdp/plan.ts';
import { type Clock, until } from '../../src/main/wait.ts';
import { writeOffer } from '../support/offers.ts';
import { LIMITS } from '../support/plans.ts';
import { scenarios } from '../support/scenario.ts';
import { freeUdpPort } from '../support/server.ts';
import { startStunServer } from '../support/stun-server.ts';

const test = scenarios('wait');

/** Returns a clock whose sleeps take `late` milliseconds longer than asked, as on a busy event loop. */
function clock(late: number): Clock & { time: number; readonly sleeps: number[] } {
  const fake = {
    time: 1000,
    sleeps: [] as number[],
    now: () => fake.time,
    async sleep(duration: number) {
      fake.sleeps.push(duration);
      fake.time += duration + late;
    },
  };
  return fake;
}

test('a time-out ends on time, however long a step takes', async () => {
  for (const [late, atMost] of [
    [0, 300],
    [20, 322],
    [1000, 1002],
  ] as const) {
    const fake = clock(late);
    is(await until(() => false, 300, fake), false);
    ok(fake.time - 1000 >= 300 && fake.time - 1000 <= atMost, `${fake.time - 1000} ms with steps late by ${late}`);
  }
});

test('the last step is no longer than what is left, and without time there is none', async () => {
  const fake = clock(0);
  await until(() => false, 5, fake);
  equal(fake.sleeps, [2, 2, 1]);
  for (const timeout of [0, -1, Number.NaN]) is(await until(() => false, timeout, fake), false);
  is(fake.sleeps.length, 3);
});

test('a condition that comes true during a step that took too long counts', async () => {
  const fake = clock(5000);
  is(await until(() => fake.time > 1000, 300, fake), true);
  is(fake.sleeps.length, 1);
  is(await until(() => true, 0, fake), true, 'even without any time');
});

test('a peer whose STUN server does not answer stops gathering on time on a busy event loop', async () => {
  const stun = await startStunServer(null);
  const ports = await MediaPorts.open({ MEDIA_PORTS: [await freeUdpPort()], MEDIA_BIND: '127.0.0.1' });
  const ignored = (): undefined => undefined;
  const events = { connected: ignored, closed: ignored, packet: ignored, failed: ignored } as unknown as PeerEvents;
  const limits = { MAX_DATA_CHANNELS: 1, MAX_MESSAGES_PER_SECOND: 1, MAX_MESSAGE_KBPS: 8 };
  const peer = new Peer({ MEDIA_BIND: '127.0.0.1', ICE_SERVERS: [stun.url], ...limits }, ports.take('', []), events);
  // Each turn has 20 ms of work.
  const busy = setInterval(() => {
    for (const end = performance.now() + 20; performance.now() < end; );
  }, 1);
  const begun = performance.now();
  let taken = 0;
  try {
    await peer.accept(planOffer(writeOffer([{}]), LIMITS), 300).catch(ignored);
    taken = performance.now() - begun;
  } finally {
    clearInterval(busy);
    peer.close();
    await peersClosed(1000);
    ports.close();
    stun.close();
  }
  // Steps of 2 ms would take at least 150 turns of 20 ms.
  ok(taken >= 290 && taken < 1500, `${Math.round(taken)} ms`);
}, 20);

test.run();
