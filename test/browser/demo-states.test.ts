/** What the demo's page says of everything that is not as usual. */
import { equal, is, match, ok } from 'uvu/assert';
import { inChromium, launchBrowser } from '../support/browsers.ts';
import { startDemo } from '../support/demo.ts';
import { type DemoPage, openDemoPage } from '../support/demo-page.ts';
import { scenarios } from '../support/scenario.ts';

const test = scenarios('demo states');

const text = (page: DemoPage, id: string): Promise<string> =>
  page.evaluate(`document.getElementById('${id}').textContent`);
const visible = (page: DemoPage, id: string): Promise<boolean> =>
  page.evaluate(`document.getElementById('${id}').checkVisibility()`);
const banner = (which: string): string => `document.querySelector('[data-banner=${which}]') !== null`;
const shown = `[...document.querySelectorAll('.person')].filter((item) => item.checkVisibility()).length`;

inChromium(
  test,
  'a person is told of every state in words',
  async () => {
    const [demo, browser] = await Promise.all([startDemo(), launchBrowser('chromium')]);
    try {
      const phone = { width: 375, height: 740 };
      const [ann, bob] = [await openDemoPage(browser, demo.url, phone), await openDemoPage(browser, demo.url)];
      await unreachable(ann);
      await withoutMicrophone(ann);
      await bob.enter('Bob', 'lab', 'join-bots');
      await ann.shows('ten bots', ({ people }) => Object.keys(people).length === 12);
      await longList(ann);
      await operatorsWords(demo.lines.join('\n'), ann, bob);
      await deafened(ann);
      await invitation(ann);
      await lost(ann, demo.killServer);
    } finally {
      await browser.close();
      await demo.stop();
    }
  },
  120,
);

const NOWHERE = `void (window.Kept = WebSocket, window.WebSocket = class extends Kept {
  constructor() { super(location.origin.replace('http', 'ws') + '/nowhere'); }
})`;

/** The first attempts fail: the page says so, and lets the user try at once. */
async function unreachable(ann: DemoPage): Promise<void> {
  await ann.evaluate(NOWHERE);
  await ann.enter('Ann', 'attic', 'join-alone', 'none');
  await ann.until('it is told', `/again in \\d+ s/.test(document.getElementById('lost-wait').textContent)`);
  match(await text(ann, 'lost-text'), /cannot be reached/);
  is(await text(ann, 'hearing'), 'Connecting …');
  await ann.evaluate(`void (window.WebSocket = Kept)`);
  await ann.click('lost-now');
  await ann.shows('connected', ({ state }) => state === 'connected');
  is(await visible(ann, 'lost'), false);
  await ann.click('leave');
}

/** There is no microphone here: the check says so before joining, and the call says so loudly. */
async function withoutMicrophone(ann: DemoPage): Promise<void> {
  await ann.fill('slots', '2');
  await ann.fill('source', 'default');
  await ann.click('check');
  await ann.until('the check fails', `document.getElementById('check-problem').checkVisibility()`);
  match(await text(ann, 'check-problem-text'), /No microphone was found/);
  await ann.enter('Ann', 'lab', 'join-alone', 'default');
  await ann.until('it is told loudly', `document.getElementById('mic-problem').checkVisibility()`);
  match(await text(ann, 'mic-problem-text'), /^Nobody hears you/);
  is(await ann.evaluate(`document.querySelector('#mute use').getAttribute('href')`), '#i-mic-off');
  await ann.evaluate(`document.getElementById('mic-none').focus()`);
  await ann.press('Enter');
  is(await visible(ann, 'mic-problem'), false);
  is((await ann.see()).focus, 'call-title', 'the focus is not lost');
  is(await ann.evaluate(`document.getElementById('source-now').value`), 'none');
}

/** A phone shows the first eight, all on request, and whoever is searched. */
async function longList(ann: DemoPage): Promise<void> {
  is(await ann.evaluate(shown), 8);
  ok(await ann.evaluate(`document.getElementById('bar').getBoundingClientRect().bottom <= innerHeight`));
  await ann.fill('search', 'bob');
  is(await ann.evaluate(shown), 1);
  await ann.fill('search', 'nobody at all');
  match(await text(ann, 'none-found'), /Nobody/);
  await ann.fill('search', '');
  await ann.click('show-all');
  is(await ann.evaluate(shown), 12);
  await ann.wish('Bob', 'Pin');
  await ann.until('Bob comes second', `document.querySelector('.person:nth-child(-n+8)[data-who=Bob]') !== null`);
  match(await text(ann, 'hearing'), /1 of 2 places/);
  await ann.openMenu('Bob');
  await ann.fill('menu-volume', '150');
  await ann.evaluate(`document.getElementById('menu').hidePopover()`);
  match((await ann.see()).people['Bob']!, /pinned · volume 150\s%/);
}

async function operatorsWords(lines: string, ann: DemoPage, bob: DemoPage): Promise<void> {
  const [, operators = ''] = /operators use (http:\S+)/.exec(lines)!;
  const command = (name: string): Promise<unknown> =>
    fetch(`${operators}/conversations/lab/users/Ann/${name}`, { method: 'POST' });
  await command('mute');
  await ann.until('the mute is told', banner('silenced'));
  is(
    await ann.evaluate(
      `document.getElementById('banners').role ?? document.getElementById('banners').getAttribute('role')`,
    ),
    'status',
  );
  is(await ann.evaluate(`document.getElementById('mute').disabled`), true);
  await command('unmute');
  await ann.until('its end is told', `!(${banner('silenced')})`);
  is(await visible(ann, 'hand'), false);
  await command('listen');
  await ann.until('she only listens', banner('audience'));
  await ann.click('hand');
  await bob.shows('Ann asks to speak', ({ people }) => people['Ann']!.includes('asks to speak'));
  match(await text(bob, 'toast'), /Ann asks to speak/);
  await command('speak');
  await ann.until('she may speak', `!(${banner('audience')}) && document.getElementById('hand').hidden`);
}

async function deafened(ann: DemoPage): Promise<void> {
  await ann.click('deafen');
  await ann.until('it is told', banner('deafened'));
  await ann.evaluate(`document.querySelector('[data-banner=deafened] button').click()`);
  await ann.until('she hears again', `!(${banner('deafened')})`);
}

async function invitation(ann: DemoPage): Promise<void> {
  await ann.click('invite-open');
  const link = new URL(await ann.evaluate<string>(`document.getElementById('invite-link').value`));
  equal([link.pathname, link.search], ['/', '?room=lab']);
  await ann.press('Escape');
  is((await ann.see()).focus, 'invite-open');
}

/** No attempt gets through, so that there is a pause to count down. */
async function lost(ann: DemoPage, killServer: () => Promise<void>): Promise<void> {
  await ann.evaluate(NOWHERE);
  await killServer();
  await ann.until('a countdown', `/again in \\d+ s/.test(document.getElementById('lost-wait').textContent)`);
  match(await text(ann, 'lost-text'), /Connection lost/);
  match(await ann.evaluate(`getComputedStyle(document.getElementById('people')).filter`), /grayscale/);
  await ann.evaluate(`void (window.WebSocket = Kept)`);
  await ann.click('lost-now');
  await ann.shows('connected again', ({ state }) => state === 'connected');
  is(await visible(ann, 'lost'), false);
}

test.run();
