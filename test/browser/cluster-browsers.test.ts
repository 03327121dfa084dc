/** Browsers on different instances hear each other. */
import { equal, is } from 'uvu/assert';
import type { BrowserKind } from '../support/browsers.ts';
import { areSpread, type ClusterFixture, inClusterBrowsers } from '../support/cluster-browsers.ts';
import { hearsExactly, type VoicePage } from '../support/page.ts';
import { scenarios } from '../support/scenario.ts';

const test = scenarios('cluster and browsers');
/** A client's two requests, to connect and to join, go to different instances, and the next client's to others. */
const THREE = { proxy: true, instances: 3 };

/** Opens and connects pages, one after the other, and lets them join. */
async function enter(
  { openVoice }: ClusterFixture,
  kinds: readonly BrowserKind[],
  conversation: string,
): Promise<VoicePage[]> {
  const pages: VoicePage[] = [];
  for (const [i, kind] of kinds.entries()) {
    const page = await openVoice(kind, `${kind}-${i}`);
    const { code, reason } = await page.connect({ slots: 3, events: true });
    is(code, 1000, reason);
    is((await page.join(conversation)).status, 200);
    pages.push(page);
  }
  return pages;
}

/** Checks that each page hears exactly the others. */
async function hearOneAnother(pages: readonly VoicePage[]): Promise<void> {
  const others = (page: VoicePage): number[] => pages.filter((one) => one !== page).map(({ tone }) => tone);
  await Promise.all(pages.map((page) => hearsExactly(page, others(page))));
}

for (const kinds of [
  ['chromium', 'chromium', 'chromium'],
  ['firefox', 'firefox', 'firefox'],
  ['chromium', 'firefox', 'chromium', 'firefox'],
] as const) {
  const needed = [...new Set(kinds)];
  inClusterBrowsers(
    test,
    needed,
    `${kinds.length} people on three instances hear exactly the others, and know them by number`,
    THREE,
    async (fixture) => {
      const pages = await enter(fixture, kinds, 'kitchen');
      await areSpread(fixture.cluster);
      await hearOneAnother(pages);
      for (const page of pages) {
        await page.knows(({ total, userids }) => total === pages.length && userids.length === pages.length);
        const numbers = Object.values(await page.csrcs()).flat();
        const known = numbers.map((number) => page.view.participants.get(number)?.userid);
        equal(new Set(known).size, pages.length - 1, JSON.stringify({ numbers, known }));
        equal(known.includes(undefined), false, JSON.stringify({ numbers, known }));
      }
      // Who moves is heard there and no longer here.
      const [mover, ...rest] = pages as [VoicePage, ...VoicePage[]];
      is((await mover.join('garden')).status, 200);
      await Promise.all([hearOneAnother(rest), hearsExactly(mover, [])]);
    },
  );
}

test.run();
