/** The demo's page is reloaded: whoever was in a call is in it again, as they were; nobody else is. */
import { equal, is, match } from 'uvu/assert';
import { type Browser, type BrowserKind, browserAvailable, inChromium, launchBrowser } from '../support/browsers.ts';
import { type RunningDemo, startDemo } from '../support/demo.ts';
import { type DemoPage, openDemoPage, type Seen } from '../support/demo-page.ts';
import { scenarios } from '../support/scenario.ts';

const test = scenarios('demo reload');

const SECONDS = 90;

async function withDemo(
  kind: BrowserKind,
  clickToPlay: boolean,
  body: (demo: RunningDemo, browser: Browser) => Promise<void>,
): Promise<void> {
  const [demo, browser] = await Promise.all([startDemo(), launchBrowser(kind, { clickToPlay })]);
  try {
    await body(demo, browser);
  } finally {
    await browser.close();
    await demo.stop();
  }
}

const inLab = ({ state, title }: Seen): boolean => state === 'connected' && title === 'lab';
const visible = (id: string): string => `document.getElementById('${id}').checkVisibility()`;
const word = (id: string): string => `document.querySelector('#${id} .word').textContent`;

/** Reloads, and waits until the page offers its form. */
async function reloadsToForm(page: DemoPage, why: string): Promise<void> {
  await page.reload();
  // A page that rejoins does so at once, before it shows anything.
  is((await page.see()).state, 'idle', why);
  is(await page.evaluate(visible('join')), true, why);
}

async function reloadTwo(demo: RunningDemo, browser: Browser): Promise<void> {
  const bob = await openDemoPage(browser, demo.url);
  await bob.enter('Bob', 'lab', 'join-alone');
  const ann = await openDemoPage(browser, demo.url);
  await ann.enter('Ann', 'lab', 'join-alone');
  await bob.shows('Ann speaks', ({ speaking }) => speaking.includes('Ann'));

  await ann.reload();
  const back = await ann.shows('Ann is back', inLab);
  is(back.focus, 'call-title');
  is(await ann.evaluate(word('mute')), 'Mute');
  await bob.shows('Ann speaks again', ({ speaking }) => speaking.includes('Ann'));

  await ann.openMenu('Bob');
  await ann.fill('menu-volume', '150');
  await ann.evaluate(`document.getElementById('menu').hidePopover()`);
  await ann.press('m');
  await ann.click('deafen');
  await bob.shows('Ann is muted and deafened', ({ people }) => people['Ann']!.includes('muted · deafened'));
  // The space bar lets her talk for a moment, and is held down while the page goes.
  await ann.evaluate(`document.activeElement.blur()`);
  await ann.down(' ');
  is(await ann.evaluate(word('mute')), 'Mute');
  await ann.reload();
  await ann.shows('Ann is back, and nothing has changed', inLab);
  const { people } = await ann.shows('Bob is there', (seen) => 'Bob' in seen.people);
  match(people['Bob']!, /volume 150/);
  equal([await ann.evaluate(word('mute')), await ann.evaluate(word('deafen'))], ['Muted', 'Deafened']);
  await bob.shows('Bob sees it', ({ people }) => people['Ann']?.includes('muted · deafened') === true);
  await ann.press('m');
  is(await ann.evaluate(word('mute')), 'Mute', 'she can unmute');

  await ann.click('leave');
  await reloadsToForm(ann, 'who has left stays outside');
  await ann.close();
}

async function listenAfterReload(demo: RunningDemo, browser: Browser): Promise<void> {
  const bob = await openDemoPage(browser, demo.url);
  await bob.enter('Bob', 'lab', 'join-bots');
  const ann = await openDemoPage(browser, demo.url);
  await ann.fill('name', 'Ann');
  await ann.fill('room', 'lab');
  await ann.fill('source', 'none');
  // This is no click of a user, which Chromium would remember over the reload.
  await ann.click('join-alone');
  await ann.shows('Ann listens', inLab);
  await ann.reload();
  await ann.shows('Ann is back', inLab);
  is(await ann.evaluate(word('mute')), 'No mic');
  await ann.until('it is told loudly', visible('sound-problem'));
  is(await ann.evaluate(`document.getElementById('sound-problem').getAttribute('role')`), 'alert');
  await ann.point('#sound-problem button');
  await ann.until('she hears', `!${visible('sound-problem')}`);
  is((await ann.see()).focus, 'call-title', 'the focus is not lost');
}

async function stayOutside(demo: RunningDemo, browser: Browser): Promise<void> {
  const ann = await openDemoPage(browser, demo.url);
  await ann.enter('Ann', 'lab', 'join-alone');
  await ann.shows('Ann is there', inLab);
  // A copy of the tab has a copy of its storage.
  await ann.evaluate(`new Promise((resolve) => {
    window.copy = open(location.href);
    copy.addEventListener('load', () => setTimeout(resolve, 500));
  })`);
  is(await ann.evaluate(`copy.document.getElementById('state').dataset.state`), 'idle', 'a copy does not join');
  is(await ann.evaluate(`copy.document.getElementById('name').value`), 'Ann');
  is((await ann.see()).state, 'connected');
  await ann.evaluate(`copy.close()`);

  const [, operators = ''] = await demo.printed(/operators use (http:\S+)/);
  await fetch(`${operators}/conversations/lab/users/Ann/kick`, { method: 'POST' });
  const removed = await ann.shows('Ann is removed', ({ state }) => state === 'idle');
  is(removed.problem, 'An operator has removed you from lab.');
  is(removed.focus, 'name');
  await reloadsToForm(ann, 'who was removed stays outside');

  await ann.enter('Ann', 'lab', 'join-alone');
  await ann.shows('Ann is there again', inLab);
  const thief = await openDemoPage(browser, demo.url);
  await thief.enter('Ann', 'lab', 'join-alone');
  await thief.shows('another tab has the name', inLab);
  const { problem } = await ann.shows('Ann is told', (seen) => seen.problem !== '' && seen.state === 'idle');
  match(problem, /another/i);
  await reloadsToForm(ann, 'who was replaced does not fight');
  is((await thief.see()).state, 'connected');
}

for (const kind of ['chromium', 'firefox'] as const) {
  const name = `${kind}: after a reload a person is in the call again, muted and deafened as before, unless they left`;
  if (browserAvailable(kind) || process.env['REQUIRE_BROWSERS'] === '1')
    test(name, () => withDemo(kind, false, reloadTwo), SECONDS);
  else test.skip(name, `${kind} not installed`);
}
inChromium(
  test,
  'a listener stays a listener, and is told loudly where the browser waits for a click',
  () => withDemo('chromium', true, listenAfterReload),
  SECONDS,
);
inChromium(
  test,
  'a copy of the tab, and who was removed or replaced, do not come back by themselves',
  () => withDemo('chromium', false, stayOutside),
  SECONDS,
);

test.run();
