/** The document of the websocket and the events: everything that the code checks, and nothing that leads nowhere. */
import { readFileSync } from 'node:fs';
import { equal, is, ok } from 'uvu/assert';
import { Close } from '../../../src/main/errors.ts';
import { EVENT_TYPES, EventErrors, REQUEST_TYPES, readEvents, readRequest } from '../../../src/main/events/schema.ts';
import { offeredCandidates, readTrickled } from '../../../src/main/sdp/candidates.ts';
import { ASYNC_API, follow, isLike, type Message, messagesLike, type Ref } from '../../support/asyncapi.ts';
import { offerNames, readOffer } from '../../support/offers.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('asyncapi');
const { channels, operations, components, servers } = ASYNC_API;
const EVENTS = Object.values(channels.events.messages);

/** Returns every object in a value, itself included. */
function objectsIn(value: unknown): object[] {
  if (typeof value !== 'object' || value === null) return [];
  return [value, ...Object.values(value).flatMap(objectsIn)];
}

test('every reference leads to something', () => {
  const refs = objectsIn(ASYNC_API).filter((one): one is Ref => '$ref' in one);
  ok(refs.length > 100, `${refs.length}`);
  for (const ref of refs) {
    equal(Object.keys(ref), ['$ref']);
    follow(ref);
  }
});

test('each operation has a direction, a channel, and messages that its channel lists', () => {
  is(ASYNC_API.asyncapi, '3.0.0');
  for (const [name, operation] of Object.entries(operations)) {
    ok(['send', 'receive'].includes(operation.action) && operation.summary !== '', name);
    for (const { channel, messages } of [operation, ...(operation.reply === undefined ? [] : [operation.reply])]) {
      ok(messages.length > 0, name);
      for (const { $ref } of messages) ok($ref.startsWith(`${channel.$ref}/messages/`), `${name}: ${$ref}`);
    }
  }
  const used = Object.values(operations).flatMap(({ messages, reply }) => [...messages, ...(reply?.messages ?? [])]);
  const listed = Object.entries(channels).flatMap(([channel, { messages }]) =>
    Object.keys(messages).map((name) => `#/channels/${channel}/messages/${name}`),
  );
  equal([...new Set(used.map(({ $ref }) => $ref))].sort(), listed.sort(), 'each message is of some operation');
});

test('each channel has a server and each message a form', () => {
  for (const { address, servers: on } of Object.values(channels)) {
    ok(address !== '' && on.length === 1);
    ok(follow(on[0]!) === servers[on[0]!.$ref.split('/').at(-1)!]);
  }
  for (const [name, message] of Object.entries(components.messages)) {
    const { summary, contentType, payload }: Message = message;
    ok(summary !== '' && /^(application|text)\/\w+$/.test(contentType) && payload !== undefined, name);
  }
});

test('every event, request, close code and error is there', () => {
  const names = Object.keys(channels.events.messages);
  equal(
    names.filter((name) => name.startsWith('event.')),
    EVENT_TYPES.map((type) => `event.${type}`),
  );
  equal(
    names.filter((name) => name.startsWith('request.')),
    REQUEST_TYPES.map((type) => `request.${type}`),
  );
  const closes = channels.connect['x-close-codes'].map(({ code, reason }) => `${code} ${reason}`);
  for (const { code, reason } of Object.values(Close)) ok(closes.includes(`${code} ${reason}`), reason);
  equal(closes, [...new Set(closes)]);
  equal(channels.events['x-errors'], EventErrors);
});

test('the examples of the protocol’s document are the messages that they say, and not without a member', () => {
  const text = readFileSync(new URL('../../../../docs/protocol.md', import.meta.url), 'utf8');
  const examples = [...text.matchAll(/```json\n([\s\S]*?)```/g)].map((match) => match[1]!.split(/\n(?=\{)/));
  for (const [direction, all] of [
    ['event', examples[0]!],
    ['request', examples[1]!],
  ] as const) {
    for (const example of all) {
      const json = JSON.parse(example) as Record<string, unknown>;
      const name = `${direction}.${json['type']}`;
      ok(messagesLike(example, EVENTS).includes(name), example);
      if (direction === 'event') ok(messagesLike(`[${example},${example}]`, EVENTS).includes('events'));
      for (const member of Object.keys(json)) {
        const { [member]: _, ...rest } = json;
        const cut = JSON.stringify(rest);
        const read = direction === 'event' ? readEvents(cut)[0]! : readRequest(cut);
        is(isLike(cut, name), read.bad === null, `${name} without ${member}`);
      }
    }
  }
});

test('a number that the server does not take fits no request', () => {
  for (const [member, value] of [
    ['id', 1.5],
    ['id', -1],
    ['id', 2 ** 53],
    ['limit', 101],
    ['after', 2 ** 32],
  ] as const) {
    const text = JSON.stringify({ v: 1, type: 'participants', [member]: value });
    ok(readRequest(text).bad !== null);
    equal(messagesLike(text, EVENTS), [], text);
  }
});

test('offers and candidates that the server reads are such messages', () => {
  const lines = offerNames().flatMap((name) => {
    ok(isLike(readOffer(name), 'offer'), name);
    return offeredCandidates(readOffer(name));
  });
  ok(lines.length > 5);
  const forms = lines.flatMap((line) => [line, line.slice(2), JSON.stringify({ candidate: line, sdpMid: '0' })]);
  for (const text of [...forms, '', 'a=end-of-candidates', '{"candidate":""}', '{}', 'null']) {
    ok(readTrickled(text).kind !== 'malformed');
    ok(isLike(text, 'candidate'), text);
  }
  for (const text of ['hello', '{"candidate":1}', '[]', 'v=0\r\n']) {
    is(readTrickled(text).kind, 'malformed');
    ok(!isLike(text, 'candidate'), text);
  }
});

test.run();
