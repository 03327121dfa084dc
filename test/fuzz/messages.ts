/** Data-channel messages: any text to the event hub. It answers each once, or closes the channel because of a flood. */
import { EventLimits, readRequest } from '../../src/main/events/schema.ts';
import { type FakeConnection, HubFixture } from '../support/hub-fixture.ts';
import { below, type Random } from '../support/prng.ts';
import { type Counters, type FuzzTarget, insist, oneIn, pick } from './target.ts';
import { mutateText } from './text.ts';

const MESSAGES_A_CASE = 400;
const CONNECTIONS = 12;
/** Time after which the rate allows one more message, milliseconds. */
const PACE_MS = 1000 / EventLimits.perSecond;
const STRANGE = [
  'null',
  '0',
  '-0',
  '-1',
  '1.5',
  '1e400',
  '4294967295',
  '4294967296',
  '9007199254740993',
  'true',
  '""',
  '"1"',
  '[]',
  '[[]]',
  '{}',
  '[1,1,1]',
  '"\\ud800"',
  '"__proto__"',
  `[${'1,'.repeat(200)}1]`,
  `"${'x'.repeat(5000)}"`,
  'NaN',
  '',
];

/**
 * Returns a request, a request with a strange value in it, or text that is no request; null stands for a binary
 * message.
 */
export function anyMessage(random: Random, numbers: readonly number[]): string | null {
  if (oneIn(random, 20)) return null;
  const some = (): string => JSON.stringify(Array.from({ length: below(random, 20) }, () => pick(random, numbers)));
  const value = (honest: string): string => (oneIn(random, 6) ? pick(random, STRANGE) : honest);
  const bool = (): string => value(String(random() % 2 === 0));
  const members = [
    () => `"type":"mute","muted":${bool()}`,
    () => `"type":"deafen","deafened":${bool()}`,
    () => `"type":"pin","numbers":${value(some())}`,
    () => `"type":"exclude","numbers":${value(some())}`,
    () =>
      `"type":"participants","after":${value(String(below(random, 20)))},"limit":${value(String(below(random, 120)))}`,
    () => `"type":${pick(random, STRANGE)}`,
  ];
  const id = random() % 2 === 0 ? `"id":${value(String(below(random, 1000)))},` : '';
  const text = `{"v":${oneIn(random, 20) ? pick(random, STRANGE) : 1},${id}${pick(random, members)()}}`;
  return oneIn(random, 4) ? mutateText(random, text) : text;
}

/** Sends a message and checks the answer. */
function sendAndCheck(connection: FakeConnection, text: string | null, outcomes: Counters): void {
  const before = connection.view.all.length;
  connection.send(text);
  const answers = connection.view.all
    .slice(before)
    .filter(({ type }) => type === 'ok' || type === 'page' || type === 'error');
  const reading = text === null ? null : readRequest(text);
  const silent =
    reading?.message !== null && reading?.message?.id === undefined && reading?.message?.type !== 'participants';
  const expected = answers.length === 1 || (answers.length === 0 && silent);
  insist(expected, () => `${answers.length} answers to ${JSON.stringify(text)}: ${JSON.stringify(answers)}`);
  const [answer] = answers;
  if (reading?.bad) insist(answer?.type === 'error', () => `no error for ${JSON.stringify(text)}`);
  outcomes.add(answer === undefined ? 'done' : answer.type === 'error' ? answer.code : answer.type);
  insist(connection.open || (answer?.type === 'error' && answer.code === 'flood'), () => 'closed without an error');
}

/** Sends a message while the client reads nothing: it may stay unanswered, and a snapshot makes up for that later. */
function sendWhileLagging(fixture: HubFixture, connection: FakeConnection, text: string | null): void {
  connection.buffered = 100_000;
  connection.send(text);
  connection.buffered = 0;
  if (!connection.open) connection.openChannel();
  fixture.now += 60_000;
  fixture.tick();
}

function run(random: Random, outcomes: Counters): number {
  const fixture = new HubFixture(below(random, CONNECTIONS), CONNECTIONS + 1);
  const connections = Array.from({ length: CONNECTIONS }, (_, i) =>
    fixture.connect(oneIn(random, 4) ? 'same' : `user ${i}`),
  );
  for (const connection of connections) {
    if (random() % 4 > 0) connection.place(1 + below(random, 2));
    connection.openChannel();
  }
  for (let i = 0; i < MESSAGES_A_CASE; i++) {
    const connection = pick(random, connections);
    if (oneIn(random, 16)) connection.place(oneIn(random, 4) ? null : 1 + below(random, 3));
    if (oneIn(random, 8)) connection.setSpeaking(random() % 2 === 0);
    if (oneIn(random, 8)) connection.fillSlot(below(random, 2), pick(random, connections).number);
    if (oneIn(random, 8)) fixture.tick();
    if (!oneIn(random, 50)) fixture.now += PACE_MS;
    if (!connection.open) connection.openChannel();
    const numbers = [...connections.map(({ number }) => number), below(random, 2 ** 17)];
    for (let flood = oneIn(random, 100) ? 25 : 0; flood > 0 && connection.open; flood--) {
      sendAndCheck(connection, anyMessage(random, numbers), outcomes);
    }
    if (!connection.open) connection.openChannel();
    if (oneIn(random, 64)) sendWhileLagging(fixture, connection, anyMessage(random, numbers));
    else sendAndCheck(connection, anyMessage(random, numbers), outcomes);
  }
  for (const connection of connections) connection.end(null);
  insist(fixture.hub.count === 0, () => `${fixture.hub.count} channels are left behind`);
  for (let i = 0; i < 2; i++) {
    fixture.now += 60_000;
    fixture.tick();
  }
  insist(fixture.hub.conversationCount === 0, () => `${fixture.hub.conversationCount} conversations are left behind`);
  return MESSAGES_A_CASE;
}

export const messages: FuzzTarget = {
  name: 'messages',
  unit: 'messages',
  parallel: 1,
  weight: 1,
  async start() {
    return { run, rss: process.memoryUsage.rss, end: async () => undefined };
  },
};
