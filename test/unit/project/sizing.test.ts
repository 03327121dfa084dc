/** The calculator of sizes. */
import { equal, is, match, ok, throws } from 'uvu/assert';
import { readDemand } from '../../../bench/sizing/command-line.ts';
import { describeSize } from '../../../bench/sizing/describe.ts';
import { IDLE_US, RECEIVED_US, SENT_US } from '../../../bench/sizing/figures.ts';
import { type Demand, sizeOf } from '../../../bench/sizing/size.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('sizing');
const ROOM: Demand = { rooms: 1, speakers: 3, listeners: 100, slots: 3, ptime: 20 };

test('who listens hears as many as there are slots and voices, and nobody hears themselves', () => {
  const sent = (change: Partial<Demand>): number => sizeOf({ ...ROOM, ...change }).packets.sent / 50;
  is(sent({}), 300 + 3 * 2);
  is(sent({ slots: 1 }), 100 + 3);
  is(sent({ slots: 8 }), 300 + 3 * 2, 'more slots than voices');
  is(sent({ speakers: 1 }), 100);
  is(sent({ speakers: 50, listeners: 0 }), 150);
  is(sent({ rooms: 10 }), 3060);
  is(sent({ speakers: 0 }), 0);
  is(sizeOf({ ...ROOM, ptime: 40 }).packets.sent, 306 * 25);
});

test('a packet costs what was measured, and what does not fit on a main thread takes more instances', () => {
  const { cores, packets, instances, each } = sizeOf(ROOM);
  is(instances, 1);
  ok(Math.abs(cores * 1e6 - (packets.sent * SENT_US.all + packets.received * RECEIVED_US.all + 103 * IDLE_US.all)) < 1);
  equal([each.connections, each.mediaPorts], [103, 4]);
  const large = sizeOf({ ...ROOM, listeners: 3000 });
  ok(large.instances > 1 && large.each.main <= 0.7, JSON.stringify(large));
  ok(large.each.main > 0.5, 'and no more than are needed');
  is(sizeOf({ ...ROOM, listeners: 2000, speakers: 1 }).each.mediaPorts, 8);
});

test('bandwidth is that of the wire', () => {
  const { bits } = sizeOf({ ...ROOM, speakers: 1, listeners: 1 });
  equal([bits.sent, bits.redSent, bits.received], [58_000, 92_000, 92_000]);
});

test('the command says it in words, and what is wrong', () => {
  const demand = readDemand(['--listeners', '3000', '--speakers', '3']);
  const text = describeSize(demand, sizeOf(demand)).join('\n');
  match(text, '1 × (3 who talk at a time + 3,000 who listen), 3 slots, 20 ms a packet');
  match(text, /Packets a second +150 in, 450,300 out/);
  match(text, /Instances +\d+, as a cluster/);
  throws(() => readDemand(['--rooms', '0']), '--rooms is 0: set it to a whole number from 1 on');
  throws(() => readDemand(['--slots', 'x']), '--slots is x: set it to a whole number from 0 on');
});

test.run();
