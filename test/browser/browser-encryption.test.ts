/** End-to-end encryption by the browser client, in real browsers with a real server. */
import { equal, is, match, ok } from 'uvu/assert';
import { inBrowsers } from '../support/browser-fixture.ts';
import { type BrowserKind, browserAvailable, launchBrowser } from '../support/browsers.ts';
import { type ClientPage, openClientPage } from '../support/client-page.ts';
import { hearsExactly, TONES } from '../support/page.ts';
import { scenarios } from '../support/scenario.ts';
import { TapReader } from '../support/tap-reader.ts';
import { until } from '../support/waiting.ts';

const test = scenarios('browser encryption');
const EACH = ['chromium', 'firefox'] as const;
const SECRET = { encryption: { key: 'sesame' } };
/** Looks at what a page plays; each takes about half a second. */
const LOOKS = 5;
/** What the client drops and counts. */
const NOTHING_DROPPED = { notEncrypted: 0, noKey: 0, wrongKey: 0, replayed: 0, unknown: 0 };

/** Returns an expression that holds once the client has been told that it cannot decrypt a user, or can again. */
function told(userid: string, reason: string | null): string {
  const wanted = `value.userid === '${userid}' && value.reason === ${JSON.stringify(reason)}`;
  return `events.some(({ name, value }) => name === 'decryption' && ${wanted})`;
}

/**
 * Checks that a page hears no tone, once what it heard before has died away. Where no frame can be decoded, Chromium plays
 * so little that there is nothing to measure.
 */
async function hearsNothing(page: ClientPage): Promise<void> {
  for (let i = 0; i < LOOKS && (await page.hear()).heard.length > 0; i++);
  for (let i = 0; i < LOOKS; i++) {
    const { heard, levels } = await page.hear();
    equal(heard, [], `${page.token}: ${JSON.stringify(levels)}`);
  }
}

async function framesOf(page: ClientPage): Promise<Record<string, number>> {
  // They are told once a second.
  await page.evaluate('new Promise((resolve) => setTimeout(resolve, 1100))');
  return page.evaluate('voiceClient.encryption.frames');
}

/**
 * Checks that a page has decrypted all that came since it first heard.
 *
 * @param before its counts then. Frames that come more than half a second before the first event are nobody's.
 */
async function droppedNothing(page: ClientPage, before: Record<string, number>): Promise<void> {
  const { decrypted, ...dropped } = await framesOf(page);
  equal(dropped, { ...NOTHING_DROPPED, unknown: before['unknown'] }, page.token);
  ok(decrypted! - before['decrypted']! > 50, `${decrypted}`);
}

inBrowsers(
  test,
  EACH,
  'who has the key hears; who has another or none neither hears nor is heard',
  async ({ open }) => {
    const [ann, ben, eve, dan] = [await open('ann'), await open('ben'), await open('eve'), await open('dan')];
    for (const page of [ann, ben]) is(await page.start({ conversation: 'vault', slots: 3, ...SECRET }), null);
    await Promise.all([hearsExactly(ann, [ben.tone]), hearsExactly(ben, [ann.tone])]);
    is(await eve.start({ conversation: 'vault', slots: 3, encryption: { key: 'mellon' } }), null);
    is(await dan.start({ conversation: 'vault', slots: 3 }), null);
    await Promise.all([
      ...[ann, ben].flatMap((page) => [page.until(told('eve', 'wrong-key')), page.until(told('dan', 'not-encrypted'))]),
      eve.until(`${told('ann', 'wrong-key')} && ${told('ben', 'wrong-key')} && ${told('dan', 'not-encrypted')}`),
    ]);
    await Promise.all([
      hearsExactly(ann, [ben.tone], { never: [eve.tone, dan.tone] }),
      hearsExactly(ben, [ann.tone], { never: [eve.tone, dan.tone] }),
      hearsNothing(eve),
      hearsNothing(dan),
    ]);
    const changes = (await ann.events()).filter(({ name }) => name === 'decryption');
    is(changes.length, 2, `once for each: ${JSON.stringify(changes)}`);
    equal(await ann.evaluate('[...voiceClient.encryption.undecryptable.keys()].sort()'), ['dan', 'eve']);
    // Eve is given the right key.
    is(await eve.evaluate("harness.outcome(voiceClient.setEncryptionKey(0, harness.bytes('sesame')))"), null);
    await Promise.all([ann.until(told('eve', null)), eve.until(told('ann', null))]);
    await Promise.all([hearsExactly(ann, [ben.tone, eve.tone]), hearsExactly(eve, [ann.tone, ben.tone])]);
  },
);

inBrowsers(
  test,
  EACH,
  'nothing is dropped when keys change, connections are replaced, and the user mutes or moves',
  async ({ open }) => {
    const [ann, ben] = [await open('ann'), await open('ben')];
    const own = { encryption: { key: 'sesame', worker: '/encryption-worker.js' } };
    for (const page of [ann, ben]) is(await page.start({ conversation: 'vault', ...own }), null);
    const both = (): Promise<unknown> => Promise.all([hearsExactly(ann, [ben.tone]), hearsExactly(ben, [ann.tone])]);
    await both();
    const before = [await framesOf(ann), await framesOf(ben)] as const;
    const change = "harness.outcome(voiceClient.setEncryptionKey(1, harness.bytes('mellon'), 1000))";
    equal(await Promise.all([ann.evaluate(change), ben.evaluate(change)]), [null, null]);
    await both();
    // Ann goes ahead, and Ben follows later.
    const ahead = await ann.evaluate<{ step: number; length: number }>(
      'voiceClient.ratchetEncryptionKey().then(({ step, key }) => ({ step, length: key.length }))',
    );
    equal(ahead, { step: 1, length: 32 });
    await both();
    is(await ben.evaluate('voiceClient.ratchetEncryptionKey().then(({ step }) => step)'), 1);
    await both();
    const { number } = await ann.state();
    await ann.call('reconnect');
    await ann.until(`client.number !== ${number} && client.total === 2`);
    await both();
    await ann.call('mute', true);
    await hearsExactly(ben, []);
    await ann.call('mute', false);
    await both();
    for (const page of [ann, ben]) is(await page.call('join', 'crypt'), null);
    await both();
    await Promise.all([droppedNothing(ann, before[0]), droppedNothing(ben, before[1])]);
    const changes = [...(await ann.events()), ...(await ben.events())].filter(({ name }) => name === 'decryption');
    equal(changes, []);
    // Ann alone takes a key that Ben gets too late.
    is(await ann.evaluate("harness.outcome(voiceClient.setEncryptionKey(2, harness.bytes('edro')))"), null);
    await ben.until(told('ann', 'no-key'));
    await hearsNothing(ben);
    is(await ben.evaluate("harness.outcome(voiceClient.setEncryptionKey(2, harness.bytes('edro')))"), null);
    await ben.until(told('ann', null));
    await both();
  },
);

inBrowsers(
  test,
  EACH,
  'people move to the next instance together when theirs shuts down, and no frame is dropped',
  async ({ open, server, gateway, startAnother }) => {
    const [ann, ben] = [await open('ann'), await open('ben')];
    const pages = [ann, ben];
    for (const page of pages) is(await page.start({ conversation: 'vault', ...SECRET }), null);
    await Promise.all([hearsExactly(ann, [ben.tone]), hearsExactly(ben, [ann.tone])]);
    const before = await Promise.all(pages.map(framesOf));
    gateway.upstream = (await startAnother()).port;
    server.process.kill('SIGTERM');
    is(await server.exited, 0);
    for (const page of pages) await page.until("client.state === 'connected' && client.total === 2");
    await Promise.all([hearsExactly(ann, [ben.tone]), hearsExactly(ben, [ann.tone])]);
    await Promise.all(pages.map((page, i) => droppedNothing(page, before[i]!)));
    for (const page of pages) ok(!(await page.events()).some(({ name }) => name === 'decryption'));
  },
  { env: { DRAIN_TIMEOUT_MS: '60000' } },
);

inBrowsers(test, EACH, 'what reaches the server is never Opus, but for silence', async ({ open, server }) => {
  const [ann, ben] = [await open('ann'), await open('ben')];
  const tap = await new TapReader(server.adminUrl, 'vault').opened();
  const keys = { ann: 'sesame', ben: 'mellon' };
  for (const page of [ann, ben]) is(await page.start({ conversation: 'vault', encryption: { keys } }), null);
  await Promise.all([hearsExactly(ann, [ben.tone]), hearsExactly(ben, [ann.tone])]);
  await until('packets are tapped', () => ['ann', 'ben'].every((user) => tap.of(user).length > 100));
  await ann.call('mute', true);
  await hearsExactly(ben, []);
  tap.socket.close();
  let silences = 0;
  for (const { bytes } of tap.packets) {
    const payload = payloadOf(bytes);
    if (payload === 'f8fffe') silences++;
    // A packet of Opus with code 3 and no frame is invalid (RFC 6716, section 3.2.5).
    else match(payload, /^ff40/);
  }
  ok(silences < tap.packets.length / 2, `${silences} of ${tap.packets.length}`);
  const offer = await ann.evaluate<string>('voiceClient.session.current.pc.localDescription.sdp');
  ok(!offer.includes(' red/'), offer);
  ok(!server.logs.some((line) => line.includes('nothing of the RED')));
});

inBrowsers(test, ['chromium'], 'encoded streams, Chromium’s older interface, serve as well', async ({ open }) => {
  const [ann, ben] = [await open('ann'), await open('ben')];
  await ann.evaluate('delete window.RTCRtpScriptTransform');
  for (const page of [ann, ben]) is(await page.start({ conversation: 'vault', ...SECRET }), null);
  await Promise.all([hearsExactly(ann, [ben.tone]), hearsExactly(ben, [ann.tone])]);
  await ann.call('reconnect');
  await Promise.all([hearsExactly(ann, [ben.tone]), hearsExactly(ben, [ann.tone])]);
});

inBrowsers(test, EACH, 'a client that cannot encrypt says why and does not connect', async ({ open, server }) => {
  const ann = await open('ann');
  const failure = async (encryption: object): Promise<string> => {
    const error = await ann.start({ conversation: 'vault', encryption });
    is((await ann.state()).state, 'closed');
    return `${error?.code}: ${error?.message}`;
  };
  match(await failure({ key: '' }), /^encryption: .*at least 16 random bytes/);
  match(await failure({ key: 'sesame', keyId: 256 }), /^encryption: .*0 to 255, not 256/);
  match(await failure({ key: 'sesame', worker: '/nowhere.js' }), /^encryption: .*worker-src/);
  await ann.evaluate('{ delete window.RTCRtpScriptTransform; delete RTCRtpSender.prototype.createEncodedStreams; }');
  match(await failure({ key: 'sesame' }), /^unsupported: .*RTCRtpScriptTransform/);
  ok(!server.logs.some((line) => line.includes('connection established')));
});

const NAME = 'Chromium and Firefox understand each other, and newcomers with a key of each user';
const MISSING = EACH.filter((kind) => !browserAvailable(kind));
if (MISSING.length === 0 || process.env['REQUIRE_BROWSERS'] === '1') {
  inBrowsers(test, ['chromium'], NAME, async ({ open, gateway }) => {
    const other = await launchBrowser('firefox' satisfies BrowserKind);
    try {
      const ann = await open('ann');
      const ben = await openClientPage(other, gateway, { user: 'ben', tone: TONES[3] });
      const cat = await openClientPage(other, gateway, { user: 'cat', tone: TONES[4] });
      const keys = { ann: 'sesame', ben: 'mellon', cat: 'edro' };
      is(await ann.start({ conversation: 'vault', encryption: { keys } }), null);
      is(await ben.start({ conversation: 'vault', encryption: { keys } }), null);
      await Promise.all([hearsExactly(ann, [ben.tone]), hearsExactly(ben, [ann.tone])]);
      // Cat has no key for Ann.
      is(await cat.start({ conversation: 'vault', encryption: { keys: { ...keys, ann: undefined } } }), null);
      await cat.until(told('ann', 'no-key'));
      await Promise.all([hearsExactly(ann, [ben.tone, cat.tone]), hearsExactly(cat, [ben.tone])]);
    } finally {
      await other.close();
    }
  });
} else test.skip(NAME, `${MISSING} not installed`);

/** Returns the payload of an RTP packet, in hexadecimal. */
function payloadOf(packet: Uint8Array): string {
  const bytes = Buffer.from(packet);
  let at = 12 + 4 * (bytes[0]! & 15);
  if ((bytes[0]! & 0x10) !== 0) at += 4 + 4 * bytes.readUInt16BE(at + 2);
  return bytes.subarray(at).toString('hex');
}

test.run();
