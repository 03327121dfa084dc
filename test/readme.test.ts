/** The README says what the code does, where that can be compared. */
import { readFileSync } from 'node:fs';
import { equal, ok } from 'uvu/assert';
import { DEFAULTS } from '../src/main/config.ts';
import { EVENT_TYPES, EventErrors, EventLimits, REQUEST_TYPES } from '../src/main/events/schema.ts';
import { Close, Problem } from '../src/main/http/errors.ts';
import { House } from './support/house.ts';
import { scenarios } from './support/scenario.ts';

const test = scenarios('readme');
const README = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

test('every status has its row', () => {
  for (const { status, title } of Object.values(Problem)) {
    ok(README.includes(`| ${status} | ${title} |`), `${status} ${title}`);
  }
});

test('every close code has its row', () => {
  for (const { code, reason } of Object.values(Close)) {
    ok(README.includes(`| ${code} | ${reason} |`), `${code} ${reason}`);
  }
});

test('every variable that is a maximum for clients has its row among the limits', () => {
  const limits = README.slice(README.indexOf('### Limits'), README.indexOf('### Close codes'));
  // These are about what the server tells and keeps.
  const others = ['MAX_LISTED_PARTICIPANTS', 'MAX_DELAY_MS'];
  for (const name of Object.keys(DEFAULTS)) {
    if (/^MAX_|^(OFFER|CONNECT|REQUEST|KEEP_ALIVE)_TIMEOUT/.test(name) && !others.includes(name)) {
      ok(limits.includes(`\`${name}\``), name);
    }
  }
});

test('every event, every request and every error of the events has its row', () => {
  for (const name of [...EVENT_TYPES, ...REQUEST_TYPES, ...Object.keys(EventErrors)]) {
    ok(README.includes(`\n| \`${name}\` | `), name);
  }
});

test('the bounds of requests are the ones it names', () => {
  const { messageLength, burst, perSecond, pinned, excluded, page } = EventLimits;
  ok(README.includes(`More than ${messageLength} characters`));
  ok(README.includes(`More than ${burst} messages at once, or ${perSecond} a second`));
  ok(README.includes(`${pinned} pinned, ${excluded} excluded and ${page} participants\na page`));
  ok(README.includes(`\`limit\` (${page})`));
});

test('its client of events knows what the schema’s own client knows', () => {
  const code = /```js\n(const events = [\s\S]*?)```/.exec(README)?.[1];
  const example = new Function('pc', `${code}; return { events, people, slots, ask };`);
  const sent: string[] = [];
  const channel = { onmessage: (_: { data: string }) => undefined, send: (text: string) => sent.push(text) };
  const { people, slots, ask } = example({ createDataChannel: () => channel });
  const house = new House();
  const [ann, bob] = [house.guest('ann').place(1), house.guest('bob').place(1)];
  const take = ann.view.take.bind(ann.view);
  ann.view.take = (data) => {
    take(data);
    channel.onmessage({ data });
  };
  ann.listen();
  const cid = house.guest('cid').place(1);
  bob.speak(true);
  cid.speak(true);
  ann.hear(1, bob.number);
  house.tick();
  bob.speak(false);
  cid.place(null);
  house.tick();
  equal([...people], [...ann.view.participants]);
  equal([...slots], [...ann.view.slots]);
  ask({ type: 'mute', muted: true, id: 1 });
  ann.say(sent[0]!);
  equal(ann.view.all.at(-1), { v: 1, type: 'ok', id: 1 });
});

test('every npm script that it names exists', () => {
  const { scripts } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  const named = [...README.matchAll(/`npm run ([\w:]+)/g)].map((match) => match[1]!);
  ok(named.length > 0);
  for (const name of named) ok(name in scripts, name);
});

test.run();
