/** `npm run demo` as people use it: its page in real browsers, and by keyboard. */
import { equal, is, not, ok } from 'uvu/assert';
import { type Browser, type BrowserKind, browserAvailable, launchBrowser } from '../support/browsers.ts';
import { type RunningDemo, startDemo } from '../support/demo.ts';
import { type DemoPage, openDemoPage, type Seen } from '../support/demo-page.ts';
import { scenarios } from '../support/scenario.ts';
import { TapReader } from '../support/tap-reader.ts';
import { until } from '../support/waiting.ts';

const test = scenarios('demo');

const SECONDS = 150;
const isBot = (name: string): boolean => name.endsWith('(bot)');
const count = ({ people }: Seen): number => Object.keys(people).length;
/** Returns the received kilobits a second, by the chart. */
const arriving = ({ charts }: Seen): number => Number(/↓([\d.]+)/.exec(charts['Bit rate'] ?? '')?.[1]);

async function withDemo(
  kind: BrowserKind,
  body: (demo: RunningDemo, browser: Browser) => Promise<void>,
): Promise<void> {
  const [demo, browser] = await Promise.all([startDemo(), launchBrowser(kind)]);
  try {
    await body(demo, browser);
  } finally {
    await browser.close();
    await demo.stop();
  }
}

/** Lets two people meet ten bots and do everything that the page offers. */
async function talk(demo: RunningDemo, browser: Browser): Promise<void> {
  const ann = await openDemoPage(browser, demo.url);
  const bob = await openDemoPage(browser, demo.url);
  await ann.enter('Ann', 'lab', 'join-bots');
  await bob.enter('Bob 中', 'lab', 'join-alone');
  for (const page of [ann, bob]) await page.shows('two people and ten bots', (seen) => count(seen) === 12);
  is((await ann.see()).title, 'lab');
  const spoke = new Set<string>();
  await ann.shows('rings of bots and of Bob, and bots in all slots', ({ speaking, slots }) => {
    for (const name of speaking) spoke.add(name);
    return spoke.size >= 4 && spoke.has('Bob 中') && slots.length === 3 && slots.every((name) => name !== '');
  });
  const marks = `[...document.querySelectorAll('.person')].every((item) =>
    (getComputedStyle(item.querySelector('.mark')).display !== 'none') === ('slot' in item.dataset))`;
  ok(await ann.evaluate(marks), 'the mark is on those who are heard, and on nobody else');
  const { log } = await ann.shows('sound arrives', (seen) => arriving(seen) > 10);
  ok(
    log.some((line) => /10 bots in lab/.test(line)),
    log.join('\n'),
  );

  await bob.click('mute');
  await ann.shows('Bob is muted, and no ring', ({ people, speaking }) => {
    return people['Bob 中']!.includes('muted') && !speaking.includes('Bob 中');
  });
  is(await bob.evaluate(`document.getElementById('mute').getAttribute('aria-pressed')`), 'true');
  await bob.click('mute');
  await ann.shows('Bob speaks again', ({ speaking }) => speaking.includes('Bob 中'));

  await ann.wish('Bob 中', 'Pin');
  await ann.shows('Bob has a slot', ({ slots }) => slots.includes('Bob 中'));
  await ann.wish('Bob 中', 'Pin');
  await ann.wish('Bob 中', 'Exclude');
  await ann.shows(
    'Bob has none',
    ({ slots, people }) => !slots.includes('Bob 中') && people['Bob 中']!.includes('muted for you'),
  );
  await ann.wish('Bob 中', 'Exclude');

  const [, operators = ''] = await demo.printed(/operators use (http:\S+)/);
  const tap = await new TapReader(operators, 'lab').opened();
  const recorded = (): Promise<string> => bob.evaluate(`document.getElementById('recording').textContent`);
  await until('Bob is told of the recording', async () => (await recorded()) === 'This room is being recorded.');
  tap.socket.close();
  await until('it is over', async () => (await recorded()) === '');

  await ann.click('deafen');
  await ann.shows('nothing arrives', (seen) => arriving(seen) === 0);
  await ann.click('deafen');
  await ann.shows('sound arrives again', (seen) => arriving(seen) > 10);

  await bob.move('attic');
  await ann.shows(
    'Bob has left',
    (seen) => count(seen) === 11 && seen.log.some((line) => line.includes('Bob 中 left.')),
  );
  const alone = await bob.shows('an attic with nobody', (seen) => seen.title === 'attic' && count(seen) === 1);
  equal(alone.slots, ['', '', '']);
  await bob.move('lab');
  await ann.shows('Bob is back', (seen) => count(seen) === 12);

  await survive(demo, [ann, bob]);

  await bob.click('leave');
  is((await bob.see()).focus, 'name');
  await ann.shows('Bob has left for good', (seen) => count(seen) === 11);
  await bob.close();
  await ann.close();
}

/** Kills the server: the pages say so, and all is as before once it is back. */
async function survive(demo: RunningDemo, pages: readonly DemoPage[]): Promise<void> {
  await demo.killServer();
  const lost = (seen: Seen): number => seen.log.findLastIndex((line) => line.includes('connection is lost'));
  // The page that notices first may be back before the other one notices.
  await Promise.all(
    pages.map(async (page) => {
      await page.shows('reconnecting', (seen) => seen.state === 'reconnecting' && lost(seen) >= 0);
      const back = await page.shows('connected again', (seen) => seen.state === 'connected' && count(seen) === 12, 60);
      is(back.title, 'lab');
    }),
  );
  await pages[0]!.shows('bots are heard again', (seen) => arriving(seen) > 10 && seen.slots.some(isBot));
}

/** Goes from the first Tab to another room without a mouse. */
async function useKeyboard(demo: RunningDemo, browser: Browser): Promise<void> {
  const page = await openDemoPage(browser, demo.url);
  const tabs = async (times: number): Promise<string[]> => {
    const visited: string[] = [];
    for (let i = 0; i < times; i++) {
      await page.press('Tab');
      visited.push((await page.see()).focus);
      const outline = `getComputedStyle(document.activeElement).outlineStyle`;
      not.equal(await page.evaluate(outline), 'none', `${visited.at(-1)} shows its focus`);
    }
    return visited;
  };
  equal(await tabs(7), ['name', 'room', 'source', 'check', 'slots', 'join-alone', 'join-bots']);
  await page.fill('source', 'none');
  await page.evaluate(`document.getElementById('name').focus()`);
  await page.press('Enter');
  await page.shows('connected', ({ state, title }) => state === 'connected' && title === 'lobby');
  const alone = await page.see();
  is(alone.focus, 'call-title');
  is(count(alone), 1, 'Enter brings no bots');
  const pressed = (id: string): Promise<string> =>
    page.evaluate(`document.getElementById('${id}').getAttribute('aria-pressed')`);
  await page.press('m');
  is(await pressed('mute'), 'true');
  await page.down(' ');
  is(await pressed('mute'), 'false', 'talks while space is held down');
  await page.up(' ');
  await page.until('muted again', `document.getElementById('mute').getAttribute('aria-pressed') === 'true'`);
  await page.press('m');
  is(await pressed('mute'), 'false');
  equal(await tabs(3), ['invite-open', 'drawer-open', 'search']);
  await page.press('m');
  is(await pressed('mute'), 'false', 'a letter in a field is text');
  await page.press('Backspace');
  equal(await tabs(4), ['mute', 'deafen', 'settings-open', 'leave']);
  await page.evaluate(`document.getElementById('settings-open').focus()`);
  await page.press('Enter');
  is((await page.see()).focus, 'settings-title');
  await page.evaluate(`document.getElementById('next-room').focus()`);
  // A name that every object has.
  await page.press(...'constructor', 'Enter');
  await page.shows('another room', ({ title }) => title === 'constructor');
  await page.press('Escape');
  is((await page.see()).focus, 'settings-open');
  await page.evaluate(`document.getElementById('drawer-open').focus()`);
  await page.press('Enter');
  equal(await tabs(3), ['drawer-close', 'bot-count', 'Add bots']);
  await page.press(' ');
  await page.shows('bots', (seen) => count(seen) === 11);
  await page.evaluate(`document.querySelector('.person .more').focus()`);
  const { focus } = await page.see();
  await page.press('Enter');
  is((await page.see()).focus, 'menu-volume');
  equal(await tabs(2), ['menu-pin', 'menu-exclude']);
  await page.press(' ');
  const name = focus.replace('Options for ', '');
  await page.shows('muted for the user', (seen) => seen.people[name]!.includes('muted for you'));
  await page.press('Escape');
  is((await page.see()).focus, focus);
  await page.close();
}

for (const kind of ['chromium', 'firefox'] as const) {
  const add = browserAvailable(kind) || process.env['REQUIRE_BROWSERS'] === '1';
  const scenario = (name: string, body: typeof talk): void => {
    if (add) test(`${kind}: ${name}`, () => withDemo(kind, body), SECONDS);
    else test.skip(`${kind}: ${name}`, `${kind} not installed`);
  };
  scenario('two people and ten bots talk, mute, pin, move, and outlive the server', talk);
  scenario('a keyboard is enough', useKeyboard);
}

test.run();
