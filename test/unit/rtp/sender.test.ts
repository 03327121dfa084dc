import { equal, is, ok } from 'uvu/assert';
import { openSlot, renumber, SLOT_WORDS } from '../../../src/rtp/rewriter.ts';
import { readSlot } from '../../../src/rtp/sender.ts';
import { slotPacket } from '../../support/packets.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('sender');
const SECOND = 48_000;

/** The second row of a table, whose slot has sent this many packets of 100 bytes, the last at `clock`. */
function slotThatSent(packets: number, clock: number, firstTimestamp = 5000): Int32Array {
  const words = new Int32Array(2 * SLOT_WORDS);
  openSlot(words, SLOT_WORDS, 0xffff_fff0 | 0, 111, 1, 10, firstTimestamp | 0);
  for (let i = 0; i < packets; i++) {
    const at = (clock - (packets - 1 - i) * 960) | 0;
    renumber(words, SLOT_WORDS, slotPacket({ source: 7, index: i, timestamp: i * 960, octets: 100, clock: at }));
  }
  return words;
}

test('a slot that sent nothing has nothing to report', () => {
  is(readSlot(slotThatSent(0, 0), SLOT_WORDS, 0), null);
});

test('the timestamp is that of the moment asked for, not that of the last packet', () => {
  equal(readSlot(slotThatSent(3, 10_000), SLOT_WORDS, 10_000 + 480), {
    ssrc: 0xffff_fff0,
    timestamp: 5000 + 2 * 960 + 480,
    packets: 3,
    octets: 300,
  });
});

test('a slot that has been quiet for more than two seconds has nothing to report', () => {
  const words = slotThatSent(3, 10_000);
  is(readSlot(words, SLOT_WORDS, 10_000 + 2 * SECOND)?.packets, 3);
  is(readSlot(words, SLOT_WORDS, 10_000 + 2 * SECOND + 1), null);
});

for (const hours of [7, 12.4, 13, 20, 24.8]) {
  test(`nor has one that has been quiet for ${hours} hours, in which clocks wrapped`, () => {
    const words = slotThatSent(3, 10_000);
    is(readSlot(words, SLOT_WORDS, (10_000 + hours * 3600 * SECOND) | 0), null);
  });
}

test('clock and timestamp wrap at 2^32, each by itself', () => {
  is(readSlot(slotThatSent(2, 2 ** 32 - 100), SLOT_WORDS, 380 | 0)?.timestamp, 5000 + 960 + 480);
  is(readSlot(slotThatSent(2, 1000, 2 ** 32 - 970), SLOT_WORDS, 1480)?.timestamp, 470);
});

test("a clock that is behind the worker's by a moment does no harm", () => {
  is(readSlot(slotThatSent(2, 1000), SLOT_WORDS, 995)?.timestamp, 5000 + 960 - 5);
});

test('whichever words a worker has written of a packet, the timestamp is that of now by this packet or the one before', () => {
  // The packet comes 5 ms late, after a pause of a minute.
  const clock = 60 * SECOND;
  const packet = { source: 7, index: 3, timestamp: clock + 1000 - 240, octets: 100, clock: clock + 1000 };
  const before = slotThatSent(3, 1000);
  const after = before.slice();
  renumber(after, SLOT_WORDS, slotPacket(packet));
  const changed = [...after.keys()].filter((i) => after[i] !== before[i]);
  ok(changed.length >= 5);
  for (let written = 0; written < 1 << changed.length; written++) {
    const torn = before.slice();
    for (const [i, word] of changed.entries()) if ((written & (1 << i)) !== 0) torn[word] = after[word]!;
    const report = readSlot(torn, SLOT_WORDS, clock + 1000);
    if (report === null) continue;
    const byOld = clock + 1000 - 1000 + 5000 + 2 * 960;
    const byNew = readSlot(after, SLOT_WORDS, clock + 1000)!.timestamp;
    ok(report.timestamp === byOld || report.timestamp === byNew, `${report.timestamp} with ${written.toString(2)}`);
  }
});

test.run();
