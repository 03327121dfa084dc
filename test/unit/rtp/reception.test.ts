import { equal, is, ok } from 'uvu/assert';
import {
  MAX_DROPOUT,
  RECEPTION_WORDS,
  type Reception,
  readReception,
  recordArrival,
} from '../../../src/rtp/reception.ts';
import { Arrival, type ArrivalVerdict, SourceSequence } from '../../../src/rtp/sequence.ts';
import { SOURCE_WORDS, SourceWord } from '../../../src/workers/protocol.ts';
import { below, prng, seed } from '../../support/prng.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('reception');
const FRAME = 960;
const FRAME_US = 20_000;
/** A row that is not the first, so that an offset left out would show. */
const ROW = 5;

/** A publisher's account, fed as the worker feeds it. */
class Account {
  readonly words = new Int32Array(ROW + RECEPTION_WORDS + 5);
  private readonly sequence = new SourceSequence();
  private ssrc = 0;

  /** @param at microseconds. */
  take(number: number, timestamp: number, at: number, ssrc = 7): void {
    if (ssrc !== this.ssrc) this.sequence.reset();
    this.ssrc = ssrc;
    const sequence = number & 0xffff;
    recordArrival(this.words, ROW, this.sequence.take(sequence), sequence, timestamp | 0, ssrc, at | 0);
  }

  get now(): Reception {
    return readReception(this.words, ROW)!;
  }

  /** Expected and lost: RFC 3550, appendix A.3. */
  get loss(): [expected: number, lost: number] {
    const { highest, base, received } = this.now;
    return [highest - base + 1, highest - base + 1 - received];
  }
}

/** These numbers, each when it is due. */
function taken(numbers: readonly number[]): Account {
  const account = new Account();
  for (const number of numbers) account.take(number, number * FRAME, number * FRAME_US);
  return account;
}

test('nothing is said before the first packet', () => {
  is(readReception(new Int32Array(ROW + RECEPTION_WORDS), ROW), null);
});

for (const [name, numbers, loss] of [
  ['one packet is one expected, none lost', [9], [1, 0]],
  ['packets in order lose nothing', [9, 10, 11], [3, 0]],
  ['a hole is lost', [9, 10, 12], [4, 1]],
  ['a late packet fills its hole', [9, 11, 10], [3, 0]],
  ['a duplicate counts as received', [9, 10, 10], [2, -1]],
  ['a packet from before the first counts as received, too', [9, 8, 10], [2, -1]],
  ['numbers wrap at 2^16', [65_534, 65_535, 65_537, 65_538], [5, 1]],
  ['what is too far behind is not counted', [1000, 488, 1001], [2, 0]],
  ['a jump of 300, a new beginning to the slots, is loss here', [9, 309], [301, 299]],
  [`a jump of ${MAX_DROPOUT - 1} is loss`, [9, 9 + MAX_DROPOUT - 1], [MAX_DROPOUT, MAX_DROPOUT - 2]],
  [`a jump of ${MAX_DROPOUT} begins anew`, [9, 10, 12, 12 + MAX_DROPOUT], [1, 0]],
  ['a sender that starts over begins anew', [20_000, 20_002, 10, 11, 13], [3, 1]],
] as const) {
  test(name, () => {
    equal(taken(numbers).loss, loss);
  });
}

test('the highest number counts its wraps', () => {
  const account = new Account();
  for (let number = 65_000; number < 65_000 + 3 * 65_536; number += 100) account.take(number, 0, 0);
  const { highest, base } = account.now;
  is(base, 65_000);
  is(highest, 261_600);
});

test('another SSRC begins anew, and says so', () => {
  const account = taken([9, 10, 12]);
  const { run } = account.now;
  account.take(13, 0, 0, 8);
  equal([account.now.ssrc, account.loss, account.now.jitter], [8, [1, 0], 0]);
  ok(account.now.run !== run);
});

test('an SSRC above 2^31 is read unsigned', () => {
  const account = new Account();
  account.take(1, 0, 0, 0xffff_fffe | 0);
  is(account.now.ssrc, 0xffff_fffe);
});

test('packets on time have no jitter, across both wraps', () => {
  const account = new Account();
  for (let i = 0; i < 1000; i++)
    account.take(65_500 + i, 2 ** 32 - 500 * FRAME + i * FRAME, 2 ** 32 - 1e7 + i * FRAME_US);
  is(account.now.jitter, 0);
});

test('a pause whose timestamps pause as well is no jitter', () => {
  const account = new Account();
  for (let i = 0; i < 100; i++) {
    const pauses = Math.floor(i / 10) * 40;
    account.take(i, (i + pauses) * FRAME, (i + pauses) * FRAME_US);
  }
  is(account.now.jitter, 0);
});

test('a timestamp that jumps by itself is no jitter', () => {
  const account = new Account();
  for (let i = 0; i < 100; i++) account.take(i, i * FRAME + (i < 50 ? 0 : 2 ** 31), i * FRAME_US);
  is(account.now.jitter, 0);
});

test('nor is a sleep of an hour', () => {
  const account = new Account();
  for (let i = 0; i < 100; i++) account.take(i, i * FRAME, i * FRAME_US + (i < 50 ? 0 : 3.6e9));
  is(account.now.jitter, 0);
});

test('the jitter follows the formula of RFC 3550 in floating point, within two ticks', () => {
  const random = prng(seed('reception jitter'));
  for (const spread of [100, 5000, 60_000]) {
    const account = new Account();
    const origin = below(random, 2 ** 32);
    const startStamp = below(random, 2 ** 32);
    let jitter = 0;
    let before: { at: number; timestamp: number } | undefined;
    for (let i = 0; i < 3000; i++) {
      if (random() % 10 === 0) continue;
      const at = i * FRAME_US + below(random, spread);
      const timestamp = i * FRAME;
      if (before !== undefined) {
        const difference = Math.abs(((at - before.at) * 48) / 1000 - (timestamp - before.timestamp));
        jitter += (difference - jitter) / 16;
      }
      before = { at, timestamp };
      account.take(i, origin + timestamp, startStamp + at);
      ok(Math.abs(account.now.jitter - jitter) <= 2, `${account.now.jitter} for ${jitter} after ${i}`);
    }
    ok(jitter > spread / 200, 'there was jitter');
  }
});

test('whatever a network does, the account is that of one that remembers everything', () => {
  const random = prng(seed('reception model'));
  const account = new Account();
  const start = below(random, 65_536);
  let received = 0;
  let newest = 0;
  for (let i = 0; i < 200_000; i++) {
    const number = i === 0 ? 0 : Math.max(0, newest + 2 - below(random, random() % 8 === 0 ? 300 : 6));
    account.take(start + number, number * FRAME, number * FRAME_US);
    received++;
    newest = Math.max(newest, number);
  }
  ok(newest > 65_536, 'it wrapped');
  equal(account.loss, [newest + 1, newest + 1 - received]);
});

test('any numbers, timestamps and times leave figures that can be told', () => {
  const random = prng(seed('reception hostile'));
  const account = new Account();
  for (let i = 0; i < 100_000; i++) {
    const step = random() % 4 === 0 ? random() : i;
    account.take(
      step,
      random() % 3 === 0 ? random() : i * FRAME,
      random() % 5 === 0 ? random() : i * FRAME_US,
      1 + (random() % 2),
    );
    const { jitter, highest, base } = account.now;
    ok(jitter >= 0 && jitter < 500_000, `jitter ${jitter}`);
    ok(highest >= base, `${highest} after ${base}`);
  }
});

test("the account has room in a publisher's row", () => {
  ok(SourceWord.Reception > SourceWord.Speaking);
  ok(SourceWord.Reception + RECEPTION_WORDS <= SOURCE_WORDS);
});

test('a row that is being written is not read', () => {
  const { words } = taken([9, 10]);
  words[ROW]!++;
  is(readReception(words, ROW), null);
});

test("the jitter is what RFC 3550's own code makes of it, to the tick (appendix A.8)", () => {
  const account = new Account();
  let scaled = 0;
  for (let i = 0; i < 200; i++) {
    // Every other packet is 5 ms late, so each differs by 240 ticks from the one before.
    account.take(i, i * FRAME, i * FRAME_US + (i % 2) * 5000);
    if (i > 0) scaled += 240 - ((scaled + 8) >> 4);
    is(account.now.jitter, scaled >> 4, `after ${i}`);
  }
});

test('duplicates and packets without sound are no jitter', () => {
  const words = new Int32Array(ROW + RECEPTION_WORDS);
  const record = (arrival: ArrivalVerdict, number: number, at: number, sound = true): void =>
    recordArrival(words, ROW, arrival, number, number * FRAME, 7, at, sound);
  record(Arrival.Restart, 0, 0);
  for (let i = 1; i < 20; i++) {
    record(Arrival.Advance, i, i * FRAME_US);
    record(Arrival.Duplicate, i, i * FRAME_US + 15_000);
    record(Arrival.Late, i, i * FRAME_US + 15_000, false);
  }
  is(readReception(words, ROW)?.jitter, 0);
});

test('a sender that resumes says nothing about spacing with its first packet, and the next one is compared with it', () => {
  const words = new Int32Array(ROW + RECEPTION_WORDS);
  const record = (number: number, at: number, resumes = false): void =>
    recordArrival(words, ROW, Arrival.Advance, number, number * FRAME, 7, at, true, resumes);
  record(0, 0);
  record(1, FRAME_US);
  record(2, 3_000_000, true);
  record(3, 3_000_000 + FRAME_US);
  is(readReception(words, ROW)?.jitter, 0);
  is(readReception(words, ROW)?.received, 4);
});

test('an account that begins anew has no jitter of the one before', () => {
  const account = new Account();
  for (let i = 0; i < 100; i++) account.take(i, i * FRAME, i * FRAME_US + (i % 2) * 5000);
  ok(account.now.jitter > 100);
  account.take(100, 0, 0, 8);
  is(account.now.jitter, 0);
});

test('the number of an account is never 0, which says that there is none', () => {
  const account = taken([9]);
  account.words[ROW + 1] = -1;
  account.take(10, 0, 0, 8);
  is(account.now.run, 1);
});

test.run();
