/** The browser client in a page of another origin than the API’s. */
import { equal, is, ok } from 'uvu/assert';
import { inBrowsers } from '../support/browser-fixture.ts';
import { startOtherOrigin } from '../support/other-origin.ts';
import { hearsExactly } from '../support/page.ts';
import { scenarios } from '../support/scenario.ts';

const test = scenarios('browser client origins');
const EACH = ['chromium', 'firefox'] as const;

inBrowsers(test, EACH, 'with a token it joins across origins, and sends no cookies', async ({ open, gateway }) => {
  const other = await startOtherOrigin(gateway.port);
  try {
    const [ann, bob] = [await open('ann'), await open('bob')];
    await ann.evaluate("{ document.cookie = 'secret=of the page'; 0; }");
    is(await ann.start({ url: other.url, conversation: 'attic' }), null);
    is(await bob.start({ url: other.url }), null);
    is(await bob.call('join', 'attic'), null);
    await Promise.all([hearsExactly(ann, [bob.tone]), hearsExactly(bob, [ann.tone])]);
    is(await bob.call('leave'), null);
    // A browser would remove these segments, and send the request to another path.
    for (const id of ['.', '..']) is((await bob.call('join', id))?.code, 'bad-conversation');
    gateway.refused.add(bob.token);
    const refusal = await bob.start({ url: other.url });
    equal([refusal?.code, refusal?.status], ['unauthorized', 401], 'the plain request that explains is read as well');
    const paths = other.requests.map(({ path }) => path);
    equal([...new Set(paths)].sort(), ['/connect', '/ice', '/join/attic']);
    ok(other.requests.every(({ cookie }) => cookie === undefined));
  } finally {
    await other.close();
  }
});

inBrowsers(test, EACH, 'without a token it sends the cookies that say who it is', async ({ open, gateway }) => {
  const other = await startOtherOrigin(gateway.port, { cookies: true });
  try {
    const ann = await open('ann');
    await ann.evaluate(`{ document.cookie = 'token=${ann.token}'; 0; }`);
    is(await ann.start({ url: other.url, token: undefined, conversation: 'attic' }), null);
    await ann.until("client.conversation === 'attic' && client.total === 1");
    ok(other.requests.every(({ cookie }) => cookie?.includes(ann.token)));
  } finally {
    await other.close();
  }
});

test.run();
