import { readFileSync } from 'node:fs';
import { equal, is, ok, throws } from 'uvu/assert';
import {
  EVENT_TYPES,
  EventErrors,
  EventLimits,
  type EventRequestInput,
  readEvents,
  readRequest,
  writeRequest,
} from '../../../src/main/events/schema.ts';
import { TokenBucket } from '../../../src/main/limits/token-bucket.ts';
import { below, prng, seed } from '../../support/prng.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('event schema');

const many = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

/** One good request of each type, and the members that a server may not do without. */
const GOOD: readonly [EventRequestInput, object][] = [
  [{ v: 1, type: 'mute', muted: true }, {}],
  [{ v: 1, type: 'mute', muted: false, id: 0 }, {}],
  [{ v: 1, type: 'deafen', deafened: true, id: 2 ** 53 - 1 }, {}],
  [{ v: 1, type: 'pin', numbers: [] }, {}],
  [{ v: 1, type: 'pin', numbers: many(EventLimits.pinned) }, {}],
  [{ v: 1, type: 'exclude', numbers: [1, 2 ** 32 - 1] }, {}],
  [
    { v: 1, type: 'participants' },
    { after: 0, limit: EventLimits.page },
  ],
  [{ v: 1, type: 'participants', after: 7, limit: 1 }, {}],
];

test('what one end writes the other reads, with defaults filled in', () => {
  for (const [request, defaults] of GOOD) {
    equal(readRequest(writeRequest(request)), { message: { ...defaults, ...request }, bad: null });
  }
  throws(() => writeRequest({ v: 1, type: 'pin', numbers: [0] }));
});

test('the longest lists fit into a message', () => {
  const numbers = many(EventLimits.excluded).map((i) => 2 ** 32 - i);
  ok(writeRequest({ v: 1, type: 'exclude', id: 2 ** 53 - 1, numbers }).length <= EventLimits.messageLength);
});

test('members that nobody knows are ignored', () => {
  const { message } = readRequest('{"v":1,"type":"mute","muted":true,"mood":"good","__proto__":{"type":"pin"}}');
  equal(message, { v: 1, type: 'mute', muted: true });
});

test('every malformed shape is told from the others, with the id where there is one', () => {
  const bad: [string, string, number?][] = [
    ['', 'not-json'],
    ['mute', 'not-json'],
    ['{"v":1', 'not-json'],
    ['null', 'not-json'],
    ['1', 'not-json'],
    ['"{}"', 'not-json'],
    ['[{"v":1,"type":"mute","muted":true}]', 'not-json'],
    [`{"v":1,"type":"mute","muted":true}${' '.repeat(EventLimits.messageLength)}`, 'too-long'],
    ['{"type":"mute","muted":true,"id":3}', 'bad-version', 3],
    ['{"v":"1","type":"mute","muted":true}', 'bad-version'],
    ['{"v":2,"type":"mute","muted":true}', 'bad-version'],
    ['{"v":1,"id":4}', 'unknown-type', 4],
    ['{"v":1,"type":null}', 'unknown-type'],
    ['{"v":1,"type":["mute"],"muted":true}', 'unknown-type'],
    ['{"v":1,"type":"snapshot"}', 'unknown-type'],
    ['{"v":1,"type":"toString"}', 'unknown-type'],
    ['{"v":1,"type":"__proto__"}', 'unknown-type'],
    ['{"v":1,"type":"mute","id":5}', 'bad-message', 5],
    ['{"v":1,"type":"mute","muted":1}', 'bad-message'],
    ['{"v":1,"type":"mute","muted":true,"id":"x"}', 'bad-message'],
    ['{"v":1,"type":"mute","muted":true,"id":-1}', 'bad-message'],
    ['{"v":1,"type":"mute","muted":true,"id":1e300}', 'bad-message'],
    ['{"v":1,"type":"deafen","deafened":null}', 'bad-message'],
    ['{"v":1,"type":"pin","numbers":3}', 'bad-message'],
    ['{"v":1,"type":"pin","numbers":[0]}', 'bad-message'],
    ['{"v":1,"type":"pin","numbers":[1.5]}', 'bad-message'],
    ['{"v":1,"type":"pin","numbers":["1"]}', 'bad-message'],
    ['{"v":1,"type":"pin","numbers":[4294967296]}', 'bad-message'],
    [`{"v":1,"type":"pin","numbers":[${many(EventLimits.pinned + 1)}]}`, 'bad-message'],
    [`{"v":1,"type":"exclude","numbers":[${many(EventLimits.excluded + 1)}]}`, 'bad-message'],
    ['{"v":1,"type":"participants","after":-1}', 'bad-message'],
    ['{"v":1,"type":"participants","limit":0}', 'bad-message'],
    [`{"v":1,"type":"participants","limit":${EventLimits.page + 1}}`, 'bad-message'],
  ];
  for (const [text, code, id] of bad) {
    const reading = readRequest(text).bad;
    equal([reading?.code, reading?.id], [code, id], text);
    ok(reading!.detail.length <= 200, 'the detail does not repeat what was sent');
  }
});

test('neither end throws at any text', () => {
  const random = prng(seed('texts'));
  const sound = GOOD.map(([request]) => JSON.stringify(request));
  for (let i = 0; i < 5000; i++) {
    const text = sound[below(random, sound.length)]!;
    const at = below(random, text.length);
    const torn = text.slice(0, at) + String.fromCharCode(below(random, 0x10000)) + text.slice(at + below(random, 3));
    for (const { message, bad } of [readRequest(torn), ...readEvents(torn)]) ok((message === null) !== (bad === null));
  }
});

test('a client tells an event that it does not know from one that is broken', () => {
  const good = '{"v":1,"type":"dominant","number":0}';
  const one = (text: string) => readEvents(text)[0];
  is(one('{"v":1,"type":"raised-hand","number":1}')?.bad?.code, 'unknown-type');
  is(one('{"v":1,"type":"dominant","number":-1}')?.bad?.code, 'bad-message');
  equal(one(good)?.message, { v: 1, type: 'dominant', number: 0 });
  equal(
    readEvents(`[${good},{},${good}]`).map(({ message }) => message?.type),
    ['dominant', undefined, 'dominant'],
  );
});

test('the schema imports nothing but valibot, so that browsers can have it', () => {
  const source = readFileSync(new URL('../../../../src/main/events/schema.ts', import.meta.url), 'utf8');
  equal(
    [...source.matchAll(/from '(.*)'/g)].map((match) => match[1]),
    ['valibot'],
  );
  ok(!/\b(Buffer|process|globalThis)\b/.test(source.replace(/\/\*[\s\S]*?\*\//g, '')));
  ok(EVENT_TYPES.length > 0 && Object.keys(EventErrors).length > 0);
});

test('a bucket lets a burst through, and then so many a second', () => {
  const bucket = new TokenBucket(3, 10);
  const taken = (now: number): number => {
    let count = 0;
    while (bucket.take(now)) count++;
    return count;
  };
  is(taken(1000), 3);
  is(taken(1050), 0);
  is(taken(1100), 1);
  is(taken(1400), 3);
  is(taken(100_000), 3, 'never more than the burst');
});

test.run();
