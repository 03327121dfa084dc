/** Redundant audio (RFC 2198) between real browsers: Chromium speaks it, Firefox does not. */
import { is, ok } from 'uvu/assert';
import { type Browser, inChromium, launchBrowser } from '../support/browsers.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { hearsExactly, openVoicePage, TONES, type VoicePage } from '../support/page.ts';
import { scenarios } from '../support/scenario.ts';
import { type RunningServer, startServer } from '../support/server.ts';

const test = scenarios('browsers and RED');

const [A, B, C] = TONES;
/**
 * Payload bytes a packet of the tone, between those that Chromium sends as Opus (80, at 32 kbit/s) and as RED (165).
 * Its statistics name the codec within RED, and not RED.
 */
const BORDER = 120;
/** Browsers are slow to start when the machine is busy. Seconds. */
const SECONDS = 100;

interface Fixture {
  readonly server: RunningServer;
  /** Opens a page for a new user with this tone, connects it and lets it join the conversation. */
  enter(tone: number, shape?: { red?: boolean; e2ee?: boolean; events?: boolean }): Promise<VoicePage>;
}

/** Runs `body` with a server and a browser. */
async function withServer(env: Record<string, string>, body: (fixture: Fixture) => Promise<void>): Promise<void> {
  const server = await startServer({ STATS_INTERVAL_MS: '500', ...env });
  const gateway: Gateway = await startGateway(server.port);
  const browser: Browser = await launchBrowser('chromium');
  const enter = async (tone: number, shape = {}): Promise<VoicePage> => {
    const page = await openVoicePage(browser, gateway, { user: `person-${tone}`, tone });
    is((await page.connect({ slots: 2, ...shape })).code, 1000);
    is((await page.join('kitchen')).status, 200);
    return page;
  };
  try {
    await body({ server, enter });
  } finally {
    await browser.close();
    await gateway.close();
    await server.stop();
  }
}

/** Returns the formats that a page sends and that it receives on its slots in use, by the sizes of packets. */
async function formats(page: VoicePage): Promise<string> {
  const { bytesSent, packetsSent, inbound } = await page.stats();
  const used = Object.values(inbound).filter(({ packetsReceived }) => packetsReceived > 0);
  const received = used.map(({ bytesReceived, packetsReceived }) => format(bytesReceived / packetsReceived));
  return `sends ${format(bytesSent / packetsSent)}, receives ${received.sort().join(' ')}`;
}

function format(bytesPerPacket: number): string {
  return bytesPerPacket > BORDER ? 'RED' : 'Opus';
}

function scenario(name: string, body: () => Promise<void>): void {
  inChromium(test, name, body, SECONDS);
}

scenario('Chromium sends RED and hears it as RED, and clients that do not know it hear the same voices as Opus', () =>
  withServer({ RED: 'both' }, async ({ server, enter }) => {
    const [ann, ben, cat] = await Promise.all([enter(A), enter(B), enter(C, { red: false })]);
    await Promise.all([hearsExactly(ann, [B, C]), hearsExactly(ben, [A, C]), hearsExactly(cat, [A, B])]);
    is(await formats(ann), 'sends RED, receives Opus RED');
    is(await formats(ben), 'sends RED, receives Opus RED');
    is(await formats(cat), 'sends Opus, receives Opus Opus');
    const figures = server.logs.findLast((line) => line.includes('"msg":"stats"'));
    ok(figures?.includes('"BadRed":0'), figures);
  }),
);

scenario('with RED=uplink Chromium sends RED, and everybody hears Opus', () =>
  withServer({ RED: 'uplink' }, async ({ enter }) => {
    const [ann, ben] = await Promise.all([enter(A), enter(B, { red: false })]);
    await Promise.all([hearsExactly(ann, [B]), hearsExactly(ben, [A])]);
    is(await formats(ann), 'sends RED, receives Opus');
    is(await formats(ben), 'sends Opus, receives Opus');
  }),
);

scenario('with RED=off nobody sends it', () =>
  withServer({ RED: 'off' }, async ({ enter }) => {
    const [ann, ben] = await Promise.all([enter(A), enter(B)]);
    await Promise.all([hearsExactly(ann, [B]), hearsExactly(ben, [A])]);
    is(await formats(ann), 'sends Opus, receives Opus');
    is(await formats(ben), 'sends Opus, receives Opus');
  }),
);

scenario(
  'frames encrypted end to end: with RED nobody hears them and the sender is told, without it they are heard',
  () =>
    withServer({ RED: 'uplink' }, async ({ server, enter }) => {
      const secret = { e2ee: true, events: true };
      const ann = await enter(A, secret);
      const [ben, cat] = await Promise.all([enter(B, { ...secret, red: false }), enter(C, { ...secret, red: false })]);
      await Promise.all([hearsExactly(ben, [C], { never: [A] }), hearsExactly(cat, [B], { never: [A] })]);
      await ann.knows((view) => view.of('error').some(({ code }) => code === 'bad-red'));
      const errors = ann.view.of('error');
      is(errors.length, 1);
      ok(errors[0]!.next.includes('setCodecPreferences'), errors[0]!.next);
      await ben.knows(() => true);
      is(ben.view.of('error').length, 0);
      const warnings = server.logs.filter((line) =>
        line.includes('"msg":"nothing of the RED of a client can be read"'),
      );
      is(warnings.length, 1);
      ok(warnings[0]!.includes(`person-${A}`), warnings[0]);
      await ann.connect({ slots: 2, ...secret, red: false });
      await Promise.all([hearsExactly(ann, [B, C]), hearsExactly(ben, [A, C]), hearsExactly(cat, [A, B])]);
    }),
);

test.run();
