/** Data-channel messages: any text to the hub of events. Each is answered once, or closes the channel as a flood. */
import { EventLimits, readRequest } from '../../src/main/events/schema.ts';
import { type Guest, House } from '../support/house.ts';
import { below, type Random } from '../support/prng.ts';
import { type Counters, type FuzzTarget, insist, oneIn, pick } from './target.ts';
import { mutateText } from './text.ts';

const MESSAGES_A_CASE = 400;
const GUESTS = 12;
/** Long enough for one message more. */
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

/** What somebody says: a request, a request with something strange in it, or no request at all. */
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

/** Says it, and looks at what comes back. */
function say(guest: Guest, text: string | null, tally: Counters): void {
  const before = guest.view.all.length;
  guest.say(text);
  const told = guest.view.all.slice(before).filter(({ type }) => type === 'ok' || type === 'page' || type === 'error');
  const reading = text === null ? null : readRequest(text);
  const silent =
    reading?.message !== null && reading?.message?.id === undefined && reading?.message?.type !== 'participants';
  const expected = told.length === 1 || (told.length === 0 && silent);
  insist(expected, () => `${told.length} answers to ${JSON.stringify(text)}: ${JSON.stringify(told)}`);
  const [answer] = told;
  if (reading?.bad) insist(answer?.type === 'error', () => `no error for ${JSON.stringify(text)}`);
  tally.add(answer === undefined ? 'done' : answer.type === 'error' ? answer.code : answer.type);
  insist(guest.open || (answer?.type === 'error' && answer.code === 'flood'), () => 'closed without a word');
}

/** Somebody reads nothing for a while: what is said meanwhile may stay unanswered, and a snapshot mends it. */
function lag(house: House, guest: Guest, text: string | null): void {
  guest.buffered = 100_000;
  guest.say(text);
  guest.buffered = 0;
  if (!guest.open) guest.listen();
  house.now += 60_000;
  house.tick();
}

function run(random: Random, tally: Counters): number {
  const house = new House(below(random, GUESTS), GUESTS + 1);
  const guests = Array.from({ length: GUESTS }, (_, i) => house.guest(oneIn(random, 4) ? 'same' : `guest ${i}`));
  for (const guest of guests) {
    if (random() % 4 > 0) guest.place(1 + below(random, 2));
    guest.listen();
  }
  for (let i = 0; i < MESSAGES_A_CASE; i++) {
    const guest = pick(random, guests);
    if (oneIn(random, 16)) guest.place(oneIn(random, 4) ? null : 1 + below(random, 3));
    if (oneIn(random, 8)) guest.speak(random() % 2 === 0);
    if (oneIn(random, 8)) guest.hear(below(random, 2), pick(random, guests).number);
    if (oneIn(random, 8)) house.tick();
    if (!oneIn(random, 50)) house.now += PACE_MS;
    if (!guest.open) guest.listen();
    const numbers = [...guests.map(({ number }) => number), below(random, 2 ** 17)];
    for (let flood = oneIn(random, 100) ? 25 : 0; flood > 0 && guest.open; flood--) {
      say(guest, anyMessage(random, numbers), tally);
    }
    if (!guest.open) guest.listen();
    if (oneIn(random, 64)) lag(house, guest, anyMessage(random, numbers));
    else say(guest, anyMessage(random, numbers), tally);
  }
  for (const guest of guests) guest.end(null);
  insist(house.hub.count === 0, () => `${house.hub.count} channels are left behind`);
  for (let i = 0; i < 2; i++) {
    house.now += 60_000;
    house.tick();
  }
  insist(house.hub.roomCount === 0, () => `${house.hub.roomCount} rooms are left behind`);
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
