/** Push-to-talk with real keys: what is heard of a voice, and which keys are meant for something else. */
import { equal, is, ok } from 'uvu/assert';
import { inBrowsers } from '../support/browser-fixture.ts';
import type { ClientPage } from '../support/client-page.ts';
import { hearsExactly } from '../support/page.ts';
import { scenarios } from '../support/scenario.ts';

const test = scenarios('browser client push-to-talk');
const EACH = ['chromium', 'firefox'] as const;
const ROOM = { conversation: 'studio' };

/** Elements to type in and to press, and a record of every change. */
const PAGE = `{
  document.body.innerHTML = '<input id="name"><textarea id="text"></textarea><div id="rich" contenteditable>rich</div>' +
    '<input id="range" type="range"><button id="first">first</button><button id="button">button</button>';
  window.clicks = 0;
  for (const button of document.querySelectorAll('button')) button.onclick = () => void clicks++;
  window.talk = harness.pushToTalk(voiceClient, { release: 150 });
  window.changes = [];
  voiceClient.on('muted', ({ muted }) => changes.push([muted, performance.now()]));
  0;
}`;

/** What the client was told since the last look: true for muted. */
function told(page: ClientPage): Promise<boolean[]> {
  return page.evaluate(
    'new Promise((go) => setTimeout(go, 400)).then(() => changes.splice(0).map(([muted]) => muted))',
  );
}

inBrowsers(test, EACH, 'it is heard while the key is held, and 150 ms longer', async ({ open }) => {
  const bob = await open('bob');
  is(await bob.start({ ...ROOM, microphone: false, tone: undefined }), null);
  const ann = await open('ann');
  is(await ann.start(ROOM), null);
  await hearsExactly(bob, [ann.tone]);
  await ann.evaluate(PAGE);
  await hearsExactly(bob, []);
  // What a listener is told first is how things are.
  await ann.evaluate('changes.splice(0)');
  await ann.evaluate(
    "{ addEventListener('keyup', () => { window.letGo = performance.now(); }, { capture: true }); 0; }",
  );
  await ann.down(' ');
  await hearsExactly(bob, [ann.tone]);
  await ann.evaluate('new Promise((go) => setTimeout(go, 300))');
  await ann.up(' ');
  const [, last] = await ann.evaluate<[boolean, number][]>('new Promise((go) => setTimeout(() => go(changes), 600))');
  const after = last![1] - (await ann.evaluate<number>('letGo'));
  ok(last![0] && after >= 149 && after < 400, `${after} ms`);
  await hearsExactly(bob, []);
  await ann.evaluate('changes.splice(0)');
  // Pressed again before the end, it goes on without a break.
  await ann.down(' ');
  await ann.up(' ');
  await ann.down(' ');
  equal(await told(ann), [false]);
  await ann.evaluate('{ talk(); 0; }');
  equal(await told(ann), [true]);
  await ann.up(' ');
  await ann.down(' ');
  await ann.up(' ');
  equal(await told(ann), [], 'it has ended');
});

inBrowsers(test, EACH, 'keys that are meant for something else are left to it', async ({ open }) => {
  const ann = await open('ann');
  is(await ann.start(ROOM), null);
  await ann.evaluate(PAGE);
  const press = async (): Promise<boolean[]> => {
    await ann.down(' ');
    await ann.up(' ');
    return told(ann);
  };
  await told(ann);
  for (const id of ['name', 'text', 'rich']) {
    await ann.evaluate(`{ document.getElementById('${id}').focus(); 0; }`);
    equal(await press(), [], id);
  }
  is(await ann.evaluate("document.getElementById('name').value"), ' ', 'typed');
  await ann.evaluate("{ document.getElementById('rich').blur(); document.getElementById('range').focus(); 0; }");
  // A button that was clicked keeps the focus, but is not what the key is for.
  await ann.click('#button');
  equal([await press(), await ann.evaluate('clicks')], [[false, true], 1]);
  // Unlike one that was reached by keyboard.
  await ann.click('#first');
  await ann.press('Tab');
  equal([await press(), await ann.evaluate('clicks')], [[], 3], 'the next button');
  await ann.evaluate('{ document.activeElement.blur(); 0; }');
  await ann.down('Control');
  equal(await press(), [], 'a shortcut');
  await ann.up('Control');
  equal(await press(), [false, true]);
  is(await ann.evaluate('scrollY'), 0);
});

inBrowsers(
  test,
  EACH,
  'it is released when the page loses the focus or is hidden, and repeats mean nothing',
  async ({ open }) => {
    const ann = await open('ann');
    is(await ann.start(ROOM), null);
    await ann.evaluate(PAGE);
    await told(ann);
    await ann.down(' ');
    await ann.down(' ');
    await ann.down(' ');
    equal(await told(ann), [false]);
    await ann.evaluate("{ dispatchEvent(new Event('blur')); 0; }");
    equal(await told(ann), [true]);
    // The key is still down, and repeats once the page has the focus again.
    await ann.down(' ');
    equal(await told(ann), []);
    await ann.up(' ');
    await ann.evaluate('{ talk.press(); talk.press(); 0; }');
    equal(await told(ann), [false]);
    await ann.evaluate("{ document.dispatchEvent(new Event('visibilitychange')); 0; }");
    equal(await told(ann), [true]);
    await ann.evaluate('{ talk.release(); 0; }');
    equal(await told(ann), []);
  },
);

test.run();
