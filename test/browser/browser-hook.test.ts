/** The React hook where it is refused, and where the server dies, drains, is taken over by another tab, or kicks. */
import { equal, is, match, ok } from 'uvu/assert';
import { type BrowserFixture, type FixtureOptions, inBrowsers } from '../support/browser-fixture.ts';
import type { BrowserKind } from '../support/browsers.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { bundleHookPage, HOOK_SCRIPT, type HookPage, openHookPage } from '../support/hook-page.ts';
import { scenarios } from '../support/scenario.ts';

const test = scenarios('browser hook');
const EACH = ['chromium', 'firefox'] as const;
const ONE = { microphones: 1, connections: 1 };
const NONE = { microphones: 0, connections: 0 };
const HOME = "voice.state === 'connected' && voice.conversation === 'attic' && voice.error === null";
const QUICK = { backoff: { first: 100, most: 200 } };

let script: Promise<Uint8Array> | undefined;

interface HookFixture extends Pick<BrowserFixture, 'server' | 'startAnother'> {
  readonly gateway: Gateway;
  open(): Promise<HookPage>;
}

function withHook(
  kinds: readonly BrowserKind[],
  name: string,
  body: (fixture: HookFixture) => Promise<void>,
  options: FixtureOptions = {},
): void {
  const scenario = async ({ browser, server, startAnother }: BrowserFixture): Promise<void> => {
    script ??= bundleHookPage();
    const gateway = await startGateway(server.port, { [HOOK_SCRIPT]: await script });
    try {
      await body({ gateway, server, startAnother, open: () => openHookPage(browser, gateway) });
    } finally {
      await gateway.close();
    }
  };
  inBrowsers(test, kinds, name, scenario, { fakeDevices: true, ...options });
}

withHook(EACH, 'a refused token ends it and says why, and retry begins anew with another one', async (fixture) => {
  const { gateway, open } = fixture;
  const page = await open();
  gateway.refused.add('ann.old');
  const options = { conversation: 'attic', muted: true, ...QUICK };
  await page.show({ ...options, token: 'ann.old' });
  await page.until("voice.state === 'closed'");
  const { error, kicked, pausing } = await page.voice();
  equal([error?.code, error?.status, kicked, pausing], ['unauthorized', 401, false, false]);
  match(error!.message, /status 401.*Provide a valid token/);
  equal(await page.open(), NONE);
  // The same token once more.
  await page.shown();
  await page.retry();
  await page.until("voice.state === 'closed' && voice.error.code === 'unauthorized'");
  ok((await page.shown()).some(([state]) => state === 'connecting'));
  equal(await page.open(), NONE);
  const asked = await page.asked();
  await page.show({ ...options, token: 'ann.new' });
  is((await page.voice()).state, 'closed', 'another token alone begins nothing');
  // Whoever is impatient gets one client all the same.
  for (let i = 0; i < 3; i++) await page.retry();
  await page.until(HOME);
  await page.until("voice.microphone?.track?.readyState === 'live'");
  await page.retry();
  equal(await page.open(), ONE);
  is(await page.asked(), asked + 1, 'a microphone is opened once');
  is((await page.voice()).muted, true);
  await page.hide();
  await page.until('page.open().connections === 0');
  equal(await page.open(), NONE);
});

withHook(
  ['chromium'],
  'the end is told with its own reason, and without one if the page has ended it',
  async (fixture) => {
    const { gateway, open } = fixture;
    const page = await open();
    gateway.refused.add('ann.old');
    const drawn = (): Promise<number> =>
      page.evaluate('new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))');
    await page.show({ token: 'ann.old', conversation: 'attic' });
    await page.until("voice.state === 'closed'");
    for (const conversation of ['cellar', undefined, 'attic']) {
      await page.show({ token: 'ann.old', conversation });
      await drawn();
      is((await page.voice()).error?.code, 'unauthorized', `moved to ${conversation}`);
    }
    await page.show({ token: 'ann', conversation: 'attic' });
    await page.retry();
    await page.until("voice.state === 'connecting'");
    await page.evaluate('voice.client.close()');
    await page.until("voice.state === 'closed'");
    await drawn();
    is((await page.voice()).error, null);
    await page.retry();
    await page.until(HOME);
  },
);

withHook(EACH, 'a killed server is shown with what goes wrong, and retry ends the pause', async (fixture) => {
  const { server, startAnother, open } = fixture;
  const page = await open();
  // The pauses are longer than the test.
  await page.show({ token: 'ann', conversation: 'attic', backoff: { first: 200_000, most: 200_000 } });
  await page.until(`${HOME} && voice.microphone?.track`);
  await page.shown();
  server.process.kill('SIGKILL');
  await server.exited;
  // That the old connection is dead is noticed later, and ends a pause as well.
  const gone = 'voice.retryAt !== null && page.open().connections === 0';
  await page.until(`voice.state === 'reconnecting' && voice.error.status === 502 && ${gone}`);
  match((await page.voice()).error!.message, 'The server is not answering');
  await startAnother({ LISTEN: `127.0.0.1:${server.port}` });
  await page.retry();
  await page.until(HOME);
  const states = (await page.shown()).map(([state]) => state);
  ok(!states.includes('idle') && !states.includes('closed'), `it is the same client: ${states}`);
  equal(await page.open(), ONE);
  is(await page.asked(), 1);
});

withHook(
  ['chromium'],
  'a server that is not there is shown at once, and retry begins anew after the end',
  async (fixture) => {
    const { server, startAnother, open } = fixture;
    server.process.kill('SIGKILL');
    await server.exited;
    const page = await open();
    await page.show({ token: 'ann', conversation: 'attic', connectTimeout: 3000, ...QUICK });
    await page.until("voice.state === 'connecting' && voice.error?.status === 502");
    await page.until("voice.state === 'closed'");
    match((await page.voice()).error!.message, 'Given up after 3000 ms');
    equal(await page.open(), NONE);
    await startAnother({ LISTEN: `127.0.0.1:${server.port}` });
    await page.retry();
    await page.until(`${HOME} && voice.microphone?.track`);
    equal(await page.open(), ONE);
  },
);

withHook(
  EACH,
  'a server that shuts down is left for the next one, and nothing of it is an error',
  async (fixture) => {
    const { gateway, server, startAnother, open } = fixture;
    const [ann, bob] = [await open(), await open()];
    await ann.show({ token: 'ann', conversation: 'attic' });
    await bob.show({ token: 'bob', conversation: 'attic' });
    for (const page of [ann, bob]) await page.until(`${HOME} && voice.participants.length === 2`);
    await ann.shown();
    server.process.kill('SIGTERM');
    // There is no next instance yet, and the connection stands.
    await ann.until('voice.retryAt !== null');
    equal([(await ann.voice()).state, (await ann.voice()).error], ['connected', null]);
    const next = await startAnother();
    gateway.upstream = next.port;
    // Tries at once.
    await ann.retry();
    await next.logged('"joined"', '"ann"');
    await next.logged('"joined"', '"bob"');
    is(await server.exited, 0);
    for (const page of [ann, bob]) await page.until(`${HOME} && voice.participants.length === 2`);
    equal([...new Set((await ann.shown()).map(([state, code]) => `${state} ${code}`))], ['connected null']);
    await ann.until('page.open().connections === 1');
    equal(await ann.open(), ONE);
  },
  { env: { DRAIN_TIMEOUT_MS: '60000' } },
);

withHook(EACH, 'another tab takes over, and retry takes it back, with what the user had chosen', async (fixture) => {
  const { open } = fixture;
  const [first, second] = [await open(), await open()];
  const options = { token: 'ann.tab', conversation: 'attic' };
  await first.show(options);
  await first.until(`${HOME} && voice.microphone?.track`);
  await first.evaluate(
    "{ voice.client.mute(true); voice.client.setVolume('bob', 0.5); voice.client.stopMicrophone(); 0; }",
  );
  await second.show(options);
  await first.until("voice.state === 'closed'");
  const { error } = await first.voice();
  is(error?.code, 'replaced');
  match(error!.message, 'connect here again to take it back');
  equal(await first.open(), NONE);
  await second.until(HOME);
  await first.retry();
  await first.until(HOME);
  const { muted, volumes, microphone } = await first.voice();
  equal([muted, volumes, microphone], [true, [['bob', 0.5]], null], 'a microphone that was off stays off');
  await second.until("voice.state === 'closed' && voice.error.code === 'replaced'");
  equal(await second.open(), NONE);
  equal(await first.open(), { microphones: 0, connections: 1 });
  await first.evaluate('voice.client.startMicrophone({ noiseSuppression: false }).then(() => 0)');
  await second.retry();
  await first.until("voice.state === 'closed'");
  await first.retry();
  await first.until("voice.state === 'connected' && voice.microphone?.track");
  is(await first.evaluate('voice.microphone.track.getSettings().noiseSuppression ?? false'), false);
  equal(await first.open(), ONE);
});

withHook(['chromium'], 'a kick is shown, and retry asks for the conversation again', async (fixture) => {
  const { server, open } = fixture;
  const page = await open();
  const operate = async (what: string): Promise<void> => {
    const { status } = await fetch(`${server.adminUrl}/conversations/attic/users/ann/${what}`, { method: 'POST' });
    ok(status < 300, `${what}: ${status}`);
  };
  await page.show({ token: 'ann', conversation: 'attic' });
  await page.until(`${HOME} && voice.microphone?.track`);
  await operate('kick');
  await page.until('voice.kicked');
  const { state, conversation, error, people } = await page.voice();
  equal([state, conversation, error, people], ['connected', null, null, []]);
  await page.retry();
  await page.until(`${HOME} && !voice.kicked`);
  await operate('kick?ban=1000');
  await page.until('voice.kicked');
  await page.retry();
  await page.until('voice.error !== null');
  const refused = await page.voice();
  equal([refused.state, refused.error?.code, refused.error?.status], ['connected', 'forbidden', 403]);
  await operate('unban');
  await page.retry();
  await page.until(HOME);
  equal(await page.open(), ONE);
  is(await page.asked(), 1);
});

test.run();
