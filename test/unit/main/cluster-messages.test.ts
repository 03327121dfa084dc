import { equal, is } from 'uvu/assert';
import * as v from 'valibot';
import { heartbeats, MAX_INSTANCES } from '../../../src/main/cluster/messages/heartbeats.ts';
import {
  MAX_MESSAGE_BYTES,
  noReadCounts,
  type ReadCounts,
  readFamily,
  readMessage,
  writeMessage,
} from '../../../src/main/cluster/messages/read.ts';
import { prng, seed } from '../../support/prng.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('cluster messages');
const NUMBER = v.object({ n: v.number() });
const FAMILY = { number: NUMBER, word: v.object({ w: v.string() }) };
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function counted(change: Partial<ReadCounts>): ReadCounts {
  return { ...noReadCounts(), ...change };
}

test('a message is read as it was written, without members that are unknown', () => {
  const counts = noReadCounts();
  equal(readMessage(NUMBER, writeMessage({ n: 1, later: { x: 2 } }), counts), { n: 1 });
  equal(readFamily(FAMILY, writeMessage({ type: 'word', w: 'ü', later: 1 }), counts), { type: 'word', w: 'ü' });
  equal(counts, noReadCounts());
});

test('malformed messages are dropped and counted', () => {
  const texts = ['', '{', 'null', '[]', '1', '"v"', '{}', '{"v":"1","n":1}', '{"v":1}', '{"v":1,"n":"1"}', '{"v":1.5}'];
  const hostile = [
    `{"v":1,"n":${'['.repeat(100_000)}`,
    `{"v":1,"n":${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
    '{"v":1,"__proto__":{"n":1}}',
  ];
  const noUtf8 = bytes('{"v":1,"n":1,"x":"~"}').map((byte) => (byte === 0x7e ? 0xff : byte));
  const all = [...[...texts, ...hostile].map(bytes), Uint8Array.of(0xff, 0xfe), noUtf8, writeMessage({ n: null })];
  const counts = noReadCounts();
  for (const one of all) is(readMessage(NUMBER, one, counts), null);
  equal(counts, counted({ malformed: all.length }));
});

test('a message of another version is dropped and counted apart', () => {
  const counts = noReadCounts();
  for (const version of [0, 2, -1]) is(readMessage(NUMBER, bytes(`{"v":${version},"n":1}`), counts), null);
  equal(counts, counted({ otherVersion: 3 }));
});

test('a message of an unknown type is ignored, and one without a type is malformed', () => {
  const counts = noReadCounts();
  for (const type of ['later', 'toString', '__proto__', ''])
    is(readFamily(FAMILY, writeMessage({ type }), counts), null);
  equal(counts, counted({ unknownType: 4, tooMany: 0 }));
  for (const type of [undefined, 1, null]) is(readFamily(FAMILY, writeMessage({ type }), counts), null);
  is(readFamily(FAMILY, writeMessage({ type: 'word', n: 1 }), counts), null);
  equal(counts, counted({ unknownType: 4, malformed: 4 }));
});

test('a message that is too large is not even parsed', () => {
  const counts = noReadCounts();
  const large = bytes(`{"v":1,"n":1,"x":"${'x'.repeat(MAX_MESSAGE_BYTES)}"}`);
  is(readMessage(NUMBER, large, counts), null);
  equal(counts, counted({ tooLarge: 1 }));
});

const BEAT = {
  ...{ type: 'beat', id: 'a', incarnation: '0123456789ab', version: '1.0.0', host: 'h', pid: 1, sentAt: 1.5 },
  ...{ draining: false, connections: 0, conversations: 0, relayedIn: 0, relayedOut: 0, dropped: 0 },
  seen: [['0123456789ac', 1, 0.5]],
};

test('a heartbeat is taken within its bounds only', () => {
  const counts = noReadCounts();
  const take = (change: object) => readFamily(heartbeats, writeMessage({ ...BEAT, ...change }), counts);
  equal(take({}), BEAT);
  equal(take({ later: true }), BEAT);
  const bad: object[] = [
    ...['', 'a b', 'a'.repeat(65), 1].map((id) => ({ id })),
    ...['', '0123456789AB', '0123456789a', '0123456789abc', 1].map((incarnation) => ({ incarnation })),
    ...['x'.repeat(256), 1].flatMap((text) => [{ version: text }, { host: text }]),
    ...[-1, 1.5, 2 ** 53, '1', null].flatMap((connections) => [{ connections }, { dropped: connections }]),
    ...[-1, '1', null].map((sentAt) => ({ sentAt })),
    ...[null, 1].map((draining) => ({ draining })),
    ...[null, [1], [['0123456789ac', 1]], [['x', 1, 1]], [['0123456789ac', -1, 1]]].map((seen) => ({ seen })),
    { seen: Array.from({ length: MAX_INSTANCES + 1 }, () => BEAT.seen[0]) },
  ];
  for (const change of bad) is(take(change), null, JSON.stringify(change));
  equal(counts, counted({ malformed: bad.length }));
});

test('no bytes make it throw', () => {
  const random = prng(seed('cluster messages'));
  const good = writeMessage(BEAT);
  for (let i = 0; i < 20_000; i++) {
    const broken = good.slice(0, i % 3 === 0 ? Math.floor(random() * good.length) : good.length);
    for (let n = 0; n < 3; n++) broken[Math.floor(random() * broken.length)] = Math.floor(random() * 256);
    readFamily(heartbeats, broken, noReadCounts());
  }
});

test.run();
