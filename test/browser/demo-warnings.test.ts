/** What the demo's page says to those whom nobody hears, and do not know it. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { is, match } from 'uvu/assert';
import { inChromium, launchBrowser } from '../support/browsers.ts';
import { startDemo } from '../support/demo.ts';
import { type DemoPage, openDemoPage } from '../support/demo-page.ts';
import { temporaryFolder } from '../support/proxies.ts';
import { scenarios } from '../support/scenario.ts';

const test = scenarios('demo warnings');

const RATE = 48_000;
/** Longer than the five seconds after which a silent microphone is one. */
const SILENCE_S = 9;
const VOICE_S = 4;

const banner = (which: string): string => `document.querySelector('[data-banner="${which}"]')`;
const says = (which: string): string => `(${banner(which)}?.firstElementChild.textContent ?? '')`;
const word = (id: string): string => `document.querySelector('#${id} .word').textContent`;

/** Writes what the microphone hears: nothing at all, and then a tone. @returns the file's path. */
function recording(): string {
  const samples = Int16Array.from({ length: RATE * (SILENCE_S + VOICE_S) }, (_, i) =>
    i < RATE * SILENCE_S ? 0 : Math.round(12_000 * Math.sin((2 * Math.PI * 440 * i) / RATE)),
  );
  const header = Buffer.alloc(44);
  header.write('RIFF', 0);
  header.writeUInt32LE(36 + samples.byteLength, 4);
  header.write('WAVEfmt ', 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(RATE, 24);
  header.writeUInt32LE(2 * RATE, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write('data', 36);
  header.writeUInt32LE(samples.byteLength, 40);
  const path = join(temporaryFolder('microphone'), 'microphone.wav');
  writeFileSync(path, Buffer.concat([header, Buffer.from(samples.buffer)]));
  return path;
}

async function silentAndMuted(ann: DemoPage, operators: string): Promise<void> {
  const command = (name: string): Promise<unknown> =>
    fetch(`${operators}/conversations/lab/users/Ann/${name}`, { method: 'POST' });
  // What is filtered is no longer nothing at all.
  for (const name of ['noiseSuppression', 'echoCancellation', 'autoGainControl'])
    await ann.evaluate(`document.querySelector('[name=${name}]').click()`);
  await ann.enter('Ann', 'lab', 'join-alone', 'default');
  await ann.until('the silence is told', `${says('silent')}.includes('Your microphone is silent')`);
  await ann.until('the voice ends it', `${banner('silent')} === null`);

  await ann.press('m');
  is(await ann.evaluate(word('mute')), 'Muted');
  is(await ann.evaluate(`document.getElementById('mute-said').textContent`), 'You are muted.', 'for screen readers');
  await ann.until('talking is told', `${says('muted-talk')} === 'You are talking, but you are muted.'`);
  is(await ann.evaluate(`${banner('silent')}`), null, 'a muted microphone may be silent');
  await ann.evaluate(`${banner('muted-talk')}.querySelector('button').focus()`);
  await ann.press('Enter');
  is(await ann.evaluate(word('mute')), 'Mute', 'the button unmutes');
  is(await ann.evaluate(banner('muted-talk')), null);
  is((await ann.see()).focus, 'call-title', 'the focus is not lost');

  await command('mute');
  await ann.until('whoever is silenced is told so', `${says('silenced')}.includes('You are talking, but an operator')`);
  is(await ann.evaluate(banner('muted-talk')), null, 'one line is enough');
  await command('unmute');
  await ann.until('it is over', `${banner('silenced')} === null`);
  await command('listen');
  await ann.until('so is the audience', `${says('audience')}.includes('You are talking, but you may only listen')`);
  is(await ann.evaluate(banner('muted-talk')), null);
}

inChromium(
  test,
  'a microphone that delivers nothing is told, and so is talk that nobody hears, with a button to unmute',
  async () => {
    const [demo, browser] = await Promise.all([
      startDemo(),
      launchBrowser('chromium', { fakeDevices: true, spoken: recording() }),
    ]);
    try {
      const [, operators] = /operators use (http:\S+)/.exec(demo.lines.join('\n'))!;
      match(operators!, /^http/);
      await silentAndMuted(await openDemoPage(browser, demo.url), operators!);
    } finally {
      await browser.close();
      await demo.stop();
    }
  },
  120,
);

test.run();
