/** The browser client’s levels: the loudness of a voice, at any volume and output. */
import { is, ok } from 'uvu/assert';
import { inBrowsers } from '../support/browser-fixture.ts';
import type { ClientPage } from '../support/client-page.ts';
import { scenarios } from '../support/scenario.ts';

const test = scenarios('browser client levels');
const EACH = ['chromium', 'firefox'] as const;

/** The tone swells up to 0.42 of full scale; Opus and the concealment of late packets overshoot a little. */
const LOUD = [0.35, 0.6] as const;
/** Looks after which a level is current. */
const STALE = 3;

/** Waits until a voice is as loud as it is sent. @returns its loudness after that. */
async function loudness(page: ClientPage, userid: string): Promise<number[]> {
  return page.evaluate<number[]>(`new Promise((done) => {
    const levels = [];
    let looks = 0;
    const end = voiceClient.on('speakers', (speakers) => {
      const speaker = speakers.find(({ participant }) => participant?.userid === '${userid}');
      if (speaker === undefined || ++looks <= ${STALE}) return;
      levels.push(speaker.level ?? -1);
      if (levels.at(-1) < ${LOUD[0]} && levels.length < 100) return;
      end();
      done(levels);
    });
  })`);
}

async function isLoud(page: ClientPage, what: string): Promise<void> {
  const levels = await loudness(page, 'bob');
  const last = levels.at(-1)!;
  ok(last >= LOUD[0] && last <= LOUD[1], `${what}: ${levels}`);
}

for (const output of ['elements', 'mixed'] as const) {
  inBrowsers(test, EACH, `with output ${output} a voice is as loud as it comes, at every volume`, async ({ open }) => {
    const [ann, bob] = [await open('ann'), await open('bob')];
    is(await ann.start({ conversation: 'choir', output }), null);
    is(await bob.start({ conversation: 'choir' }), null);
    for (const volume of [1, 0.2, 0]) {
      is(await ann.call('setVolume', 'bob', volume), null);
      await isLoud(ann, `volume ${volume}`);
    }
    // The page may change the volume itself.
    await ann.evaluate('{ for (const { element } of voiceClient.slots) element.muted = true; 0; }');
    await isLoud(ann, 'muted elements');
    const { number } = await ann.state();
    await ann.call('reconnect');
    await ann.until(`client.number !== ${number} && client.total === 2`);
    await isLoud(ann, 'after a reconnection');
  });
}

test.run();
