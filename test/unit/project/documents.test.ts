/** The documents say what the code does, where that can be compared. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { equal, ok } from 'uvu/assert';
import { DEFAULTS } from '../../../src/main/config.ts';
import { Close, Problem } from '../../../src/main/errors.ts';
import { EVENT_TYPES, EventErrors, EventLimits, REQUEST_TYPES } from '../../../src/main/events/schema.ts';
import { HubFixture } from '../../support/hub-fixture.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('documents');
const ROOT = new URL('../../../../', import.meta.url);
const read = (name: string): string => readFileSync(new URL(name, ROOT), 'utf8');
const HTTP = read('docs/http-api.md');
const PROTOCOL = read('docs/protocol.md');
const FOLDERS = [
  '',
  'bench/',
  'client/',
  'demo/',
  'deploy/',
  'deploy/backend-auth/',
  'deploy/kubernetes/',
  'docs/',
  'examples/',
  'test/data/',
  'test/foreign/',
];
const DOCUMENTS = FOLDERS.flatMap((folder) =>
  readdirSync(new URL(folder, ROOT))
    .filter((name) => name.endsWith('.md'))
    .map((name) => folder + name),
);

test('every status has its row', () => {
  for (const { status, title } of Object.values(Problem)) {
    ok(HTTP.includes(`| ${status} | ${title} |`), `${status} ${title}`);
  }
});

test('every close code has its row', () => {
  for (const { code, reason } of Object.values(Close)) {
    ok(PROTOCOL.includes(`| ${code} | ${reason} |`), `${code} ${reason}`);
  }
});

test('every variable that is a maximum for clients has its row among the limits', () => {
  const limits = HTTP.slice(HTTP.indexOf('## Limits'));
  // These are about what the server tells and keeps.
  const others = ['MAX_LISTED_PARTICIPANTS', 'MAX_DELAY_MS', 'MAX_REMOTE_SOURCES', 'MAX_TAPS'];
  for (const name of Object.keys(DEFAULTS)) {
    if (/^MAX_|^(OFFER|CONNECT|REQUEST|KEEP_ALIVE)_TIMEOUT/.test(name) && !others.includes(name)) {
      ok(limits.includes(`\`${name}\``), name);
    }
  }
});

test('every event, every request and every error of the events has its row', () => {
  for (const name of [...EVENT_TYPES, ...REQUEST_TYPES, ...Object.keys(EventErrors)]) {
    ok(PROTOCOL.includes(`\n| \`${name}\` | `), name);
  }
});

test('the bounds of requests are the ones it names', () => {
  const { messageLength, burst, perSecond, pinned, excluded, page } = EventLimits;
  ok(PROTOCOL.includes(`More than ${messageLength} characters`));
  ok(PROTOCOL.includes(`More than ${burst} messages at once, or ${perSecond} a second`));
  ok(PROTOCOL.replaceAll('\n', ' ').includes(`${pinned} pinned, ${excluded} excluded and ${page} participants a page`));
  ok(PROTOCOL.includes(`\`limit\` (${page})`));
});

test('the client of events in docs/protocol.md knows what the schema’s own client knows', () => {
  const code = /```js\n(const events = [\s\S]*?)```/.exec(PROTOCOL)?.[1];
  const example = new Function('pc', `${code}; return { events, people, slots, ask };`);
  const sent: string[] = [];
  const channel = { onmessage: (_: { data: string }) => undefined, send: (text: string) => sent.push(text) };
  const { people, slots, ask } = example({ createDataChannel: () => channel });
  const fixture = new HubFixture();
  const [ann, bob] = [fixture.connect('ann').place(1), fixture.connect('bob').place(1)];
  const take = ann.view.take.bind(ann.view);
  ann.view.take = (data) => {
    take(data);
    channel.onmessage({ data });
  };
  ann.openChannel();
  const cid = fixture.connect('cid').place(1);
  bob.setSpeaking(true);
  cid.setSpeaking(true);
  ann.fillSlot(1, bob.number);
  fixture.tick();
  bob.setSpeaking(false);
  cid.place(null);
  fixture.tick();
  equal([...people], [...ann.view.participants]);
  equal([...slots], [...ann.view.slots]);
  ask({ type: 'mute', muted: true, id: 1 });
  ann.send(sent[0]!);
  equal(ann.view.all.at(-1), { v: 1, type: 'ok', id: 1 });
});

test('the README has at most 250 lines', () => {
  ok(read('README.md').trimEnd().split('\n').length <= 250);
});

test('every file and every folder of src/main has its place among those that may import others', () => {
  const text = read('CONTRIBUTING.md');
  const order = /## Which file may import which[\s\S]*?```\n([\s\S]*?)```/.exec(text)![1]!;
  const names = readdirSync(new URL('src/main/', ROOT)).map((name) => name.replace(/\.ts$/, ''));
  equal([...order.matchAll(/[a-z][a-z-]*/g)].map(([name]) => name).sort(), names.sort());
});

test('every npm script that they name exists', () => {
  const { scripts } = JSON.parse(read('package.json'));
  const named = DOCUMENTS.flatMap((name) => [...read(name).matchAll(/`npm run ([\w:]+)/g)].map((match) => match[1]!));
  ok(named.length > 10);
  for (const name of named) ok(name in scripts, name);
});

test('every link between them leads to a file and a heading that are there', () => {
  let links = 0;
  for (const name of DOCUMENTS) {
    for (const [, target] of read(name).matchAll(/\]\((?!https?:|mailto:)([^)\s]+)\)/g)) {
      const [path = '', anchor = ''] = target!.split('#');
      const file = path === '' ? new URL(name, ROOT) : new URL(path, new URL(name, ROOT));
      ok(existsSync(file), `${name}: ${target}`);
      if (anchor !== '' && statSync(file).isFile())
        ok(anchorsOf(readFileSync(file, 'utf8')).has(anchor), `${name}: ${target}`);
      links++;
    }
  }
  ok(links > 50);
});

/** What can stand behind `#`: headings as GitHub writes them. */
function anchorsOf(text: string): Set<string> {
  const headings = [...text.matchAll(/^#+ (.*)$/gm)].map((match) => match[1]!);
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replace(/[^\w\- ]/g, '')
        .replaceAll(' ', '-'),
    ),
  );
}

test.run();
