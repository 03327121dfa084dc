/** `npm run example`: what somebody sees and hears who opens an example and joins. */
import { fileURLToPath } from 'node:url';
import { is, match } from 'uvu/assert';
import { type Browser, browserAvailable, launchBrowser, type Page } from '../support/browsers.ts';
import { type Child, startChild } from '../support/child.ts';
import { untilInPage } from '../support/in-page.ts';
import { scenarios } from '../support/scenario.ts';

const test = scenarios('examples');
const SECONDS = 150;
const MAIN = fileURLToPath(new URL('../../demo/example.js', import.meta.url));

interface Opened {
  readonly example: Child;
  readonly page: Page;
}

for (const kind of ['chromium', 'firefox'] as const) {
  for (const [name, body] of [
    ['vanilla', vanilla],
    ['react', react],
  ] as const) {
    const title = `${kind}: ${name}`;
    if (!browserAvailable(kind) && process.env['REQUIRE_BROWSERS'] !== '1') {
      test.skip(title, `${kind} not installed`);
      continue;
    }
    test(
      title,
      async () => {
        const example = startChild(process.execPath, [MAIN, name, '--port=0']);
        let browser: Browser | undefined;
        try {
          const url = /http:\S+/.exec(await example.said('Open '))![0];
          browser = await launchBrowser(kind, { fakeDevices: true });
          await body({ example, page: await browser.newPage(url) });
        } finally {
          await browser?.close();
          is(await example.stop('SIGINT'), 0);
        }
      },
      SECONDS,
    );
  }
}

/** Whether the page offers to play what the browser blocks. */
const OFFERED = `[...document.querySelectorAll('button')]
  .some((one) => one.textContent === 'Hear the others' && one.checkVisibility())`;

/** Lets the page play nothing, as a browser before the first click. */
function block(page: Page): Promise<void> {
  return page.evaluate(`{
    const { play } = HTMLMediaElement.prototype;
    window.allow = () => { HTMLMediaElement.prototype.play = play; };
    HTMLMediaElement.prototype.play = () => Promise.reject(new DOMException('no', 'NotAllowedError'));
    0;
  }`);
}

async function hear(page: Page): Promise<void> {
  await shows(page, 'that nothing is heard', OFFERED);
  await page.evaluate(`{
    allow();
    [...document.querySelectorAll('button')].find((one) => one.textContent === 'Hear the others').click();
    0;
  }`);
  await shows(page, 'that all is heard', `!(${OFFERED})`);
}

async function vanilla({ page }: Opened): Promise<void> {
  await block(page);
  await page.click('#join');
  await hear(page);
  await shows(
    page,
    'a bot who speaks',
    "[...people.children].some((line) => line.textContent.includes('(bot) speaks'))",
  );
  await shows(page, 'oneself', "[...people.children].some((line) => line.textContent.startsWith('ann'))");
  await page.click('#mute');
  await shows(page, 'the mute', "[...people.children].some((line) => line.textContent.startsWith('ann (muted)'))");
  is(await page.evaluate("document.getElementById('mute').textContent"), 'Unmute');
  await page.click('#leave');
  await shows(page, 'the end', "document.getElementById('state').textContent === 'closed'");
  await page.click('#join');
  await shows(page, 'another beginning', "document.getElementById('state').textContent === 'connected'");
}

async function react({ page }: Opened): Promise<void> {
  await page.evaluate(`{
    window.made = [];
    window.asked = 0;
    const { mediaDevices } = navigator;
    const ask = mediaDevices.getUserMedia.bind(mediaDevices);
    mediaDevices.getUserMedia = (wish) => { asked++; return ask(wish); };
    window.RTCPeerConnection = class extends RTCPeerConnection {
      constructor(...rest) { super(...rest); made.push(this); }
    };
    0;
  }`);
  const press = (text: string): Promise<void> =>
    page.evaluate(`[...document.querySelectorAll('button')].find((one) => one.textContent === '${text}').click()`);
  const line = (text: string): string =>
    `[...document.querySelectorAll('li')].some((one) => one.textContent.includes('${text}'))`;
  const join = async (room: string): Promise<void> => {
    await page.evaluate(`document.querySelector('input').value = ${JSON.stringify(room)}`);
    await press('Join');
  };
  await block(page);
  await join('kitchen');
  await hear(page);
  await shows(page, 'a bot who speaks', line('(bot) speaks'));
  await press('Mute');
  await shows(page, 'the mute', "[...document.querySelectorAll('button')].some((one) => one.textContent === 'Unmute')");
  await join('attic');
  await shows(page, 'nobody but oneself', `${line('bob')} && !${line('(bot)')}`);
  is(await page.evaluate('made.length'), 1, 'StrictMode mounts twice, and another room needs no other connection');
  is(await page.evaluate('asked'), 1, 'nor another microphone');
  await join('..');
  await shows(page, 'what is wrong', "document.querySelector('[role=status]').textContent.startsWith('connected: ')");
  await join('attic');
  await shows(page, 'that all is well', "document.querySelector('[role=status]').textContent === 'connected'");
  await press('Leave');
  await shows(page, 'the end', "made.every(({ connectionState }) => connectionState === 'closed')");
  await join('kitchen');
  await shows(page, 'another beginning', line('(bot) speaks'));
  is(await page.evaluate('made.length'), 2);
}

function shows(page: Page, what: string, condition: string): Promise<void> {
  return untilInPage(page, condition, { what, tell: 'document.body.innerText', timeout: 60_000 });
}

test('it explains its options', async () => {
  const example = startChild(process.execPath, [MAIN, '--help']);
  match(await example.said('--port'), 'vanilla | react');
  is(await example.exited, 0);
});

test('a wrong name or port ends it with what it may be', async () => {
  for (const [args, says] of [
    [['vue'], 'Name an example: vanilla or react.'],
    [['react', '--port=90000'], '--port is "90000": set it to a port up to 65535'],
  ] as const) {
    const example = startChild(process.execPath, [MAIN, ...args]);
    match(await example.said(says), says);
    is(await example.exited, 1);
  }
});

test.run();
