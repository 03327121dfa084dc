/** What the browser client takes for events, errors and pauses, against what the server has and sends. */
import { readdirSync, readFileSync } from 'node:fs';
import { equal, is, match, not, ok } from 'uvu/assert';
import { Backoff } from '../../../client/src/backoff.ts';
import { closeError, givenUp, statusError } from '../../../client/src/errors.ts';
import { People } from '../../../client/src/people.ts';
import * as client from '../../../client/src/protocol.ts';
import { addUp, compare } from '../../../client/src/quality.ts';
import { Requests } from '../../../client/src/requests.ts';
import { Close, closeReason, Problem } from '../../../src/main/errors.ts';
import * as server from '../../../src/main/events/schema.ts';
import { HubFixture } from '../../support/hub-fixture.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('client protocol');

type Unversioned<T> = T extends unknown ? Omit<T, 'v'> : never;
type Loose<T> = T extends readonly (infer Item)[]
  ? readonly Loose<Item>[]
  : T extends object
    ? { readonly [Name in keyof T]: Loose<T[Name]> }
    : T;
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : never) : never;
/** The compiler holds the client's types to the schema's; only the code of an error is any text to a client. */
type SameEvent<Type extends client.ServerEvent['type']> = Type extends 'error'
  ? true
  : Same<
      Loose<Extract<client.ServerEvent, { type: Type }>>,
      Loose<Unversioned<Extract<server.ServerEvent, { type: Type }>>>
    >;
const SAME: { [Type in server.ServerEvent['type']]: SameEvent<Type> } & Same<
  client.ServerEvent['type'],
  server.ServerEvent['type']
> = Object.fromEntries(server.EVENT_TYPES.map((type) => [type, true])) as never;

/** One event of each type. */
const PERSON = {
  number: 7,
  userid: 'ann',
  clientid: 'tab',
  muted: false,
  speaking: true,
  deafened: true,
  hand: true,
  speak: false,
  name: 'Ann',
  metadata: { seat: [1] },
};
const SAMPLES: { [Type in server.ServerEvent['type']]: Extract<server.ServerEvent, { type: Type }> } = {
  snapshot: {
    ...{ v: 1, type: 'snapshot', conversation: 'attic', number: 7, muted: false, silenced: true, deafened: false },
    ...{
      speak: false,
      pinned: [7],
      excluded: [],
      dominant: 7,
      total: 1,
      complete: true,
      recording: true,
      participants: [PERSON],
    },
  },
  participants: { v: 1, type: 'participants', total: 1, complete: true, changed: [PERSON], left: [9] },
  slots: { v: 1, type: 'slots', slots: [{ mid: '0', number: 7 }] },
  speaking: { v: 1, type: 'speaking', started: [7], stopped: [] },
  dominant: { v: 1, type: 'dominant', number: 0 },
  moved: { v: 1, type: 'moved', conversation: 'attic' },
  left: { v: 1, type: 'left', conversation: 'attic', kicked: true },
  silenced: { v: 1, type: 'silenced', silenced: true },
  speak: { v: 1, type: 'speak', speak: true },
  replaced: { v: 1, type: 'replaced' },
  draining: { v: 1, type: 'draining', within: 12 },
  cluster: { v: 1, type: 'cluster', whole: false },
  recording: { v: 1, type: 'recording', recording: true },
  page: { v: 1, type: 'page', id: 3, total: 1, participants: [PERSON], next: null },
  ok: { v: 1, type: 'ok', id: 3 },
  error: { v: 1, type: 'error', id: 3, code: 'flood', detail: 'd', next: 'n' },
};

test('every event of the schema is read as it is, and none without one of its members', () => {
  equal(Object.keys(SAME), server.EVENT_TYPES);
  equal(Object.keys(SAMPLES).sort(), [...server.EVENT_TYPES].sort());
  for (const event of Object.values(SAMPLES)) {
    is(server.readEvents(JSON.stringify(event))[0]!.bad, null, event.type);
    equal(client.readEvents(JSON.stringify(event)), [event]);
    equal(client.readEvents(JSON.stringify({ ...event, later: { any: 1 } })).length, 1, 'members of later versions');
    for (const name of Object.keys(event)) {
      const without = JSON.stringify({ ...event, [name]: undefined });
      const wrong = JSON.stringify({ ...event, [name]: {} });
      for (const text of [without, wrong]) {
        is(client.readEvents(text).length, server.readEvents(text)[0]!.bad === null ? 1 : 0, `${event.type}: ${text}`);
      }
    }
  }
  equal(client.readEvents(JSON.stringify(Object.values(SAMPLES))), Object.values(SAMPLES));
});

test('a list with one broken item is broken, to both', () => {
  const { slots, participants } = SAMPLES;
  const broken: unknown[] = [
    { ...slots, slots: [{ mid: 0, number: 7 }] },
    { ...slots, slots: [{ mid: '0' }] },
  ];
  for (const name of Object.keys(PERSON)) {
    broken.push({ ...participants, changed: [PERSON, { ...PERSON, [name]: null }] });
  }
  for (const event of broken) {
    const text = JSON.stringify(event);
    is(server.readEvents(text)[0]!.bad?.code, 'bad-message', text);
    equal(client.readEvents(text), [], text);
  }
});

test('what is no event is left out, and throws nothing', () => {
  for (const text of [
    '',
    '{',
    'null',
    '7',
    '"x"',
    '[[]]',
    '[null]',
    '{"v":1}',
    '{"v":2,"type":"replaced"}',
    '{"v":1,"type":"toString"}',
  ]) {
    equal(client.readEvents(text), [], text);
  }
  equal(client.readEvents(new ArrayBuffer(4)), []);
  equal(client.readEvents('[{"v":1,"type":"later"},{"v":1,"type":"replaced"}]'), [{ v: 1, type: 'replaced' }]);
});

test('the server understands every request', () => {
  const requests: client.Request[] = [
    { type: 'mute', muted: true },
    { type: 'deafen', deafened: false },
    { type: 'hand', raised: true },
    { type: 'pin', numbers: [1, 2] },
    { type: 'exclude', numbers: [] },
    { type: 'participants', after: 3, limit: 100 },
    { type: 'participants' },
  ];
  for (const request of requests) {
    const { message, bad } = server.readRequest(client.writeRequest(request, 5));
    is(bad, null, request.type);
    is(message?.id, 5);
  }
  equal(new Set(requests.map(({ type }) => type)), new Set(server.REQUEST_TYPES));
});

test('from a server’s events it knows what the schema’s own client knows', () => {
  const fixture = new HubFixture();
  const [ann, bob] = [fixture.connect('ann').place(1), fixture.connect('bob').place(1)];
  const people = new People();
  const take = ann.view.take.bind(ann.view);
  ann.view.take = (data) => {
    take(data);
    for (const event of client.readEvents(data)) people.take(event);
  };
  const same = (): void => {
    equal([...people.participants.values()], [...ann.view.participants.values()]);
    equal([...people.slots], [...ann.view.slots]);
    for (const name of ['conversation', 'number', 'total', 'complete', 'dominant', 'silenced', 'speak'] as const) {
      is(people[name], ann.view[name], name);
    }
  };
  ann.openChannel();
  const cid = fixture.connect('cid').place(1);
  bob.setSpeaking(true);
  cid.setSpeaking(true);
  ann.fillSlot(1, bob.number);
  fixture.tick();
  same();
  is(people.participants.size, 3);
  bob.setSpeaking(false);
  cid.place(null);
  fixture.tick();
  same();
  ann.place(null);
  fixture.tick();
  same();
  is(people.conversation, null);
});

test('every close code has its meaning, and only what may pass is tried again', () => {
  const again = Object.entries(Close)
    .filter(([name]) => name !== 'connected')
    .map(([name, { code, reason }]) => [name, closeError(code, reason)] as const);
  for (const [name, error] of again) {
    is.not(error.code, 'unreachable', name);
    ok(error.message.includes(Close[name as keyof typeof Close].reason), name);
  }
  equal(
    again.filter(([, { retryable }]) => retryable).map(([name]) => name),
    ['internal', 'draining', 'full', 'busy', 'no-offer', 'transport-failed', 'address-in-use', 'no-ice', 'no-dtls'],
  );
  // Not of the server's own: the library's, as are 1007 and 1009.
  is(closeError(1008, 'Too many fragments').code, 'incompatible');
  is(closeError(1006, '').code, 'unreachable');
  is(closeError(1006, '').retryable, true);
});

test('every status has its meaning', () => {
  const codes = Object.entries(Problem).map(([kind, { status, title }]) => [
    kind,
    statusError('x', status, title, 1).code,
  ]);
  const codeOf = Object.fromEntries(codes) as Record<string, string>;
  is(codeOf['draining'], 'server-draining');
  is(codeOf['full'], 'server-full');
  is(codeOf['busy'], 'server-busy');
  is(closeError(Close.busy.code, closeReason('busy')).code, 'server-busy');
  is(closeError(Close.full.code, closeReason('full')).code, 'server-full');
  is(codeOf['conversation-full'], 'conversation-full');
  is(statusError('x', 409, Problem['conversation-full'].title, null).retryable, false);
  equal([codeOf['forbidden'], codeOf['not-permitted']], ['forbidden', 'forbidden']);
  equal(
    [codeOf['bad-claim'], codeOf['bad-conversation'], codeOf['not-found']],
    ['unauthorized', 'bad-conversation', 'unreachable'],
  );
  is(statusError('x', 503, Problem['permissions-unavailable'].title, null).retryable, true);
  is(statusError('x', 401, '', null).code, 'unauthorized');
  is(statusError('x', 502, '', null).retryable, true);
  is(statusError('x', 503, 'The server is full', 5000).retryAfter, 5000);
});

test('an error has the id by which its request is found in the server’s log, if the server told it', () => {
  is(closeError(4408, closeReason('no-offer', 'within 5 ms', 'r-7.x_A')).requestId, 'r-7.x_A');
  is(closeError(4408, closeReason('no-offer', 'within 5 ms')).requestId, null);
  is(closeError(1006, '').requestId, null);
  is(statusError('x', 503, 'The server is full', 5000, 'r-7').requestId, 'r-7');
  is(statusError('x', 502, '', null).requestId, null);
});

test('no error promises another attempt, and whoever gives up says so', () => {
  const folder = new URL('../../../../client/src/', import.meta.url);
  for (const name of readdirSync(folder)) {
    const code = readFileSync(new URL(name, folder), 'utf8').replace(/\/\*[\s\S]*?\*\/|^ *\/\/.*$/gm, '');
    not.match(code, /by itself|(?:tried|tries|trying) again|connecting again/i, name);
  }
  const error = closeError(1013, 'full');
  is(givenUp(error, 30_000), error);
  match(error.message, /somebody has left\. Given up after 30000 ms\.$/);
});

test('pauses double, have jitter, an end, and heed the server', () => {
  const most = new Backoff(500, 15_000, () => 0.999_999);
  equal(
    [1, 2, 3, 4, 5, 6, 7].map(() => most.next()),
    [500, 1000, 2000, 4000, 8000, 15_000, 15_000],
  );
  const least = new Backoff(500, 15_000, () => 0);
  equal(
    [1, 2, 3].map(() => least.next()),
    [250, 500, 1000],
  );
  is(least.next(5000), 5000);
  most.reset();
  is(most.next(5000), 7500, 'those whom the server sent away together do not come back together');
  least.reset();
  is(least.next(), 250);
  for (let i = 0; i < 5000; i++) ok(Number.isFinite(most.next()));
});

test('however often somebody mutes, the server is told the last of it', async () => {
  const sent: { id: number; muted: boolean }[] = [];
  const requests = new Requests((text) => {
    const request = JSON.parse(text) as { id: number; muted: boolean };
    sent.push(request);
    setImmediate(() => requests.handle({ type: 'ok', id: request.id }));
  });
  const others = Array.from({ length: 20 }, () => requests.ask({ type: 'participants' }).catch(() => undefined));
  const toggles = Array.from({ length: 99 }, (_, i) => requests.ask({ type: 'mute', muted: i % 2 === 1 }));
  const results = await Promise.allSettled(toggles);
  equal(
    results.map(({ status }) => status),
    [...Array.from({ length: 98 }, () => 'rejected'), 'fulfilled'],
  );
  is(sent.at(-1)?.muted, false);
  requests.close();
  await Promise.all(others);
});

test('statistics are of the time between two looks, and null where nothing is known', () => {
  const look = (seconds: number, lost: number): ReturnType<typeof addUp> =>
    addUp(
      [
        { type: 'outbound-rtp', packetsSent: 50 * seconds, bytesSent: 4000 * seconds },
        { type: 'remote-inbound-rtp', packetsLost: lost, roundTripTime: 0.03 },
        {
          type: 'inbound-rtp',
          packetsReceived: 40 * seconds,
          packetsLost: 10 * seconds,
          bytesReceived: 1000,
          jitter: 0.004,
        },
        {
          type: 'inbound-rtp',
          jitter: 0.002,
          concealedSamples: 960 * seconds,
          silentConcealedSamples: 480 * seconds,
          totalSamplesReceived: 48_000 * seconds,
        },
        { type: 'candidate-pair', nominated: true, currentRoundTripTime: 0.5 },
        { type: 'media-source', audioLevel: 0.25 },
      ],
      seconds * 1000,
    );
  equal(compare(look(1, 1), look(3, 11)), {
    rttMs: 30,
    uplinkLoss: 0.1,
    downlinkLoss: 0.2,
    jitterMs: 4,
    concealment: 0.01,
    uplinkBitrate: 32_000,
    downlinkBitrate: 0,
    microphoneLevel: 0.25,
  });
  const nothing = compare(
    addUp([], 0),
    addUp([{ type: 'candidate-pair', nominated: true, currentRoundTripTime: 0.5 }], 1000),
  );
  is(nothing.rttMs, 500);
  for (const name of ['uplinkLoss', 'downlinkLoss', 'jitterMs', 'concealment', 'microphoneLevel'] as const)
    is(nothing[name], null, name);
});

test.run();
