import { equal, is, not, ok } from 'uvu/assert';
import { RtpPacket } from 'werift-rtp';
import { MAX_RED_BLOCKS, Red, RedHealth, RedPayload, readRed, stepsBack } from '../../../src/rtp/red.ts';
import { bytes } from '../../support/packets.ts';
import { below, prng, type Random, seed } from '../../support/prng.ts';
import { type Block, recordedPackets, redPayload } from '../../support/red.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('RED');
const OPUS = 111;

interface Read {
  readonly blocks: readonly { readonly age: number; readonly payload: string }[];
  readonly primary: string;
}

/** Reads a payload that lies somewhere in a larger buffer. */
function read(payload: Buffer, red = new RedPayload()): Read {
  const around = Buffer.concat([Buffer.alloc(7, 0xef), payload, Buffer.alloc(9, 0xef)]);
  is(readRed(around, 7, payload.length, OPUS, red), Red.Ok);
  const cut = (at: number, length: number): string => around.toString('latin1', at, at + length);
  const blocks = Array.from({ length: red.count }, (_, i) => ({
    age: red.timestampOffsets[i]!,
    payload: cut(red.offsets[i]!, red.lengths[i]!),
  }));
  return { blocks, primary: cut(red.primaryOffset, red.primaryLength) };
}

function verdict(payload: Buffer): number {
  return readRed(payload, 0, payload.length, OPUS, new RedPayload());
}

function anyBlocks(random: Random): Block[] {
  return Array.from({ length: below(random, MAX_RED_BLOCKS + 1) }, () => ({
    age: below(random, 16_384),
    payload: bytes(random, below(random, 4) === 0 ? 0 : below(random, 1024)),
  }));
}

test('a payload of the RFC’s kind is read block by block', () => {
  const blocks = [
    { age: 1920, payload: Buffer.from('two before') },
    { age: 960, payload: Buffer.from('one') },
  ];
  equal(read(redPayload(Buffer.from('now'), blocks)), {
    blocks: [
      { age: 1920, payload: 'two before' },
      { age: 960, payload: 'one' },
    ],
    primary: 'now',
  });
});

test('a primary block alone is a payload, and so are empty redundant ones', () => {
  equal(read(redPayload(Buffer.from('x'))), { blocks: [], primary: 'x' });
  equal(read(redPayload(Buffer.from('x'), [{ age: 0, payload: Buffer.alloc(0) }])), {
    blocks: [{ age: 0, payload: '' }],
    primary: 'x',
  });
});

test('whatever is encoded is read, up to the largest offsets, lengths and number of blocks', () => {
  const random = prng(seed('red round trip'));
  const red = new RedPayload();
  const largest = Array.from({ length: MAX_RED_BLOCKS }, () => ({ age: 16_383, payload: bytes(random, 1023) }));
  for (let i = 0; i < 500; i++) {
    const blocks = i === 0 ? largest : anyBlocks(random);
    const primary = bytes(random, 1 + below(random, 200));
    equal(read(redPayload(primary, blocks), red), {
      blocks: blocks.map(({ age, payload }) => ({ age, payload: payload.toString('latin1') })),
      primary: primary.toString('latin1'),
    });
  }
});

test('one block too many is refused', () => {
  const blocks = Array.from({ length: MAX_RED_BLOCKS + 1 }, () => ({ age: 1, payload: Buffer.from('x') }));
  is(verdict(redPayload(Buffer.from('y'), blocks)), Red.TooManyBlocks);
});

test('a block of another codec is refused, redundant or primary', () => {
  is(verdict(redPayload(Buffer.from('y'), [{ age: 960, payload: Buffer.from('x'), payloadType: 0 }])), Red.OtherCodec);
  is(verdict(redPayload(Buffer.from('y'), [], 0)), Red.OtherCodec);
  is(verdict(redPayload(Buffer.from('y'), [{ age: 960, payload: Buffer.from('x') }], 63)), Red.OtherCodec);
});

test('every truncation is told from a whole payload, and nothing is read beyond it', () => {
  const blocks = [
    { age: 1920, payload: Buffer.from('two before') },
    { age: 960, payload: Buffer.from('one') },
  ];
  const whole = redPayload(Buffer.from('now'), blocks);
  const primary = whole.length - 'now'.length;
  for (let length = 0; length < whole.length; length++) {
    // What lies behind the payload is what would make it whole.
    const result = readRed(whole, 0, length, OPUS, new RedPayload());
    is(result, length > primary ? Red.Ok : length === primary ? Red.Empty : Red.Truncated, `${length} bytes`);
  }
});

test('random bytes never throw, and what is taken lies within the payload', () => {
  const random = prng(seed('red fuzz'));
  const red = new RedPayload();
  const seen = new Set<number>();
  for (let i = 0; i < 200_000; i++) {
    const payload = bytes(random, below(random, 60));
    // Headers that are right more often than chance has them, and now and then too many of them.
    const many = random() % 16 === 0;
    for (let at = 0; at < payload.length && (many || random() % 3 !== 0); at += 4)
      payload[at] = many || random() % 2 === 0 ? 0xef : OPUS;
    const result = readRed(payload, 0, payload.length, OPUS, red);
    seen.add(result);
    if (result !== Red.Ok) continue;
    let end = red.count * 4 + 1;
    for (let k = 0; k < red.count; k++) {
      is(red.offsets[k], end);
      end += red.lengths[k]!;
    }
    is(red.primaryOffset, end);
    is(red.primaryOffset + red.primaryLength, payload.length);
    ok(red.primaryLength > 0);
  }
  is(seen.size, 5, 'every verdict was met');
});

test('what Chromium sends is read: each redundant block is the primary one of the packet it says it is', () => {
  const sent = new Map<number, string>();
  let [repeated, alone, begun] = [0, 0, 0];
  for (const packet of recordedPackets()) {
    const { header, payload } = RtpPacket.deSerialize(packet);
    is(header.payloadType, 63);
    const { blocks, primary } = read(payload);
    if (blocks.length === 0) alone++;
    for (const { age, payload: block } of blocks) {
      const earlier = sent.get(header.timestamp - age);
      if (earlier === undefined) begun++;
      else {
        is(block, earlier);
        repeated++;
      }
    }
    sent.set(header.timestamp, primary);
  }
  not.equal(alone, 0, 'the first packet and those of a pause have nothing to repeat');
  ok(repeated > 8 && begun <= 3, `${repeated} repeated, ${begun} from before the recording`);
});

for (const [name, age, steps, span, expected] of [
  ['one lost between', 960, 2, 1920, 1],
  ['one lost between, across a pause', 960, 2, 20_160, 1],
  ['three lost: the last', 960, 4, 3840, 1],
  ['three lost: the first', 2880, 4, 3840, 3],
  ['packets of 60 ms', 5760, 3, 8640, 2],
  ['nothing lost', 960, 1, 960, 0],
  ['as old as the packet before the hole', 1920, 2, 1920, 0],
  ['older than that', 2880, 2, 1920, 0],
  ['no age', 0, 2, 1920, 0],
  ['between the steps', 1000, 3, 2880, 0],
  ['steps that a pause made uneven', 960, 3, 22_080, 0],
  ['timestamps that went back', 960, 2, -960, 0],
  ['timestamps that stood still', 960, 2, 0, 0],
] as const) {
  test(`how far back a block belongs: ${name}`, () => is(stepsBack(age, steps, span), expected));
}

test('RED is unreadable after fifty bad payloads in a row; what looks like RED by chance changes nothing', () => {
  const health = new RedHealth();
  for (let i = 0; i < 49; i++) is(health.take(false), false);
  is(health.unreadable, false);
  health.take(false);
  is(health.unreadable, true);
  for (let i = 0; i < 2560; i++) is(health.take(i % 256 === 255), false, `payload ${i}`);
  is(health.unreadable, true);
});

test('RED is readable again after ten good payloads', () => {
  const health = new RedHealth();
  for (let i = 0; i < 500; i++) health.take(false);
  for (let i = 0; i < 9; i++) is(health.take(true), false);
  is(health.take(true), true);
  is(health.unreadable, false);
});

test('a bad payload now and then is dropped alone', () => {
  const health = new RedHealth();
  for (let i = 0; i < 5000; i++) is(health.take(i % 5 !== 0), i % 5 !== 0);
  is(health.unreadable, false);
});

test.run();
