import { equal, is, ok } from 'uvu/assert';
import { offloadNext } from '../../src/main/media/offload.ts';
import { Peer } from '../../src/main/media/peer.ts';
import { ClientHost, type ReceivedPacket } from '../support/client.ts';
import { FaultyServer } from '../support/faulty-server.ts';
import { scenarios } from '../support/scenario.ts';
import { claimHeader } from '../support/server.ts';

const test = scenarios('offload');

const full = { main: 1, idleCores: 4 };

test('a connection that the library does not accept stays as it was, and nothing is thrown', () => {
  const refusal = new Error('no handler for this track');
  const failures: unknown[] = [];
  const setMediaHandler = (): never => {
    throw refusal;
  };
  const failed = (error: unknown): number => failures.push(error);
  const peer: Peer = Object.assign(Object.create(Peer.prototype), { track: { setMediaHandler }, events: { failed } });
  is(offloadNext([peer], full, { threshold: 0, idleCores: 0 }), 1);
  equal(failures, [refusal]);
  is(offloadNext([peer], full, { threshold: 0, idleCores: 0 }), 0, 'it is not asked again');
});

test('a listener that is handed over in mid-call misses nothing and gets everything in order', async () => {
  // No packet is dropped for being late. The main thread will be blocked, which is enough load on any machine, whenever
  // it begins within the 250 ms between two looks at the load.
  const limits = { OFFLOAD_PERCENT: '80', OFFLOAD_IDLE_PERCENT: '0', MAX_DELAY_MS: '60000' };
  const faulty = await FaultyServer.start(limits);
  const { server } = faulty;
  const host = new ClientHost();
  const listener = await host.connect(server.url, 'listener', { slots: 2, publishes: false });
  const speakers = [
    await host.connect(server.url, 'ann', { slots: 0 }),
    await host.connect(server.url, 'bob', { slots: 0 }),
  ];
  for (const { name } of [listener, ...speakers]) {
    await fetch(`${server.url}/join/room`, { method: 'POST', headers: claimHeader(name) });
  }
  for (const speaker of speakers) await speaker.talk();
  const packets: ReceivedPacket[] = [];
  const hear = async (count: number): Promise<void> => {
    const before = packets.length;
    packets.push(...(await listener.receives(({ length }) => before + length >= count)));
  };
  await hear(100);
  const offloaded = (): boolean => server.logs.some((line) => line.includes('"msg":"offloaded"'));
  for (let i = 0; i < 5 && !offloaded(); i++) {
    await faulty.stall(1500);
    await hear(packets.length + 10);
  }
  ok(offloaded(), 'a main thread that has no time to spare hands connections over');
  await hear(packets.length + 200);
  for (const name of ['ann', 'bob']) {
    const counts = packets.filter(({ from }) => from === name).map(({ count }) => count);
    ok(counts.length > 100, `${counts.length} packets of ${name}`);
    equal(
      counts,
      Array.from({ length: counts.length }, (_, i) => counts[0]! + i),
      'the sender’s own numbers',
    );
  }
  is(await server.stop(), 0);
  host.kill();
}, 60);

test.run();
