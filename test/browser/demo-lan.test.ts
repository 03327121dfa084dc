/** `npm run demo -- --lan`, as somebody on another machine of the network uses it: two network namespaces. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { request as secureRequest } from 'node:https';
import { join } from 'node:path';
import { connect, type PeerCertificate } from 'node:tls';
import { equal, is, match, not } from 'uvu/assert';
import { WebSocket } from 'ws';
import { makeCertificate } from '../../demo/certificate.ts';
import { type Browser, type BrowserKind, browserAvailable, launchBrowser } from '../support/browsers.ts';
import { hasTools, withoutTools } from '../support/coturn.ts';
import { DEMO, type RunningDemo, startDemo } from '../support/demo.ts';
import { type DemoPage, openDemoPage, type Seen } from '../support/demo-page.ts';
import { launchUntilExit } from '../support/launch.ts';
import { Beyond, INSIDE, inNamespace, namespacesWork, OUTSIDE, runInNamespace } from '../support/namespace.ts';
import { temporaryFolder } from '../support/proxies.ts';
import { readCode } from '../support/qr.ts';
import { scenarios } from '../support/scenario.ts';

const test = scenarios('demo lan');
const NAME = 'a person on another machine opens the printed URL, talks with people and bots, and invites others';
const KINDS: readonly BrowserKind[] = ['chromium', 'firefox'];
const PORT = 8443;
const WHERE = `${OUTSIDE}:${PORT}`;
const SECONDS = 120;

if (!hasTools('ip', 'iptables')) withoutTools(test, NAME, 'ip', 'iptables');
else if (!namespacesWork()) test.skip(NAME, 'no network namespace can be made here');
else if (!KINDS.every(browserAvailable) && process.env['REQUIRE_BROWSERS'] !== '1')
  test.skip(NAME, 'a browser is missing');
else if (inNamespace()) addScenarios();
else await runInNamespace();

function addScenarios(): void {
  test('without a network it says what to do', async () => {
    const { code, stderr } = await launchUntilExit({}, { main: DEMO, args: ['--lan'] });
    is(code, 1);
    match(stderr.join('\n'), 'this machine has no address in a network: connect it to one');
  });
  test('a certificate of one’s own has to be for the address, and with its key', ownCertificate, 40);
  test(NAME, () => beyond(talk), SECONDS);
  test('an IPv6 address does as well', overIpv6, 60);
  test('who opens the page as localhost invites others by the address', atHome, 60);
  test('it answers at no other name and for no other site, and leads plain HTTP to HTTPS', () => beyond(refuse), 40);
}

let link: Beyond | undefined;

/** Runs the demo on the machine beyond the link, which is there from the first time on. */
async function beyond(body: (demo: RunningDemo) => Promise<void>, args = ['--qr']): Promise<void> {
  link ??= Beyond.make();
  const demo = await startDemo({ DEMO_PORT: String(PORT) }, ['--lan', ...args], link.by);
  try {
    await body(demo);
  } finally {
    await demo.stop();
  }
}

async function ownCertificate(): Promise<void> {
  const [own, other] = [certificateFor(OUTSIDE), certificateFor(INSIDE)];
  await beyond(
    async ({ lines }) => {
      is((await certificateThere()).subjectaltname, `IP Address:${OUTSIDE}`);
      not.ok(lines.some((line) => line.includes('browser will warn')));
      not.ok(
        lines.some((line) => line.includes('▀')),
        'no QR code, because the output is no terminal',
      );
    },
    ['--cert', own.cert, '--key', own.key],
  );
  const refused = async (cert: string, key: string): Promise<string> => {
    const args = ['--lan', INSIDE, '--cert', cert, '--key', key];
    const { code, stderr } = await launchUntilExit({}, { main: DEMO, args });
    is(code, 1);
    return stderr.join('\n');
  };
  match(await refused(own.cert, own.key), `is not for ${INSIDE}`);
  match(await refused(other.cert, own.key), /--cert and --key cannot be used: .*key values mismatch/);
  match(await refused('/nowhere', own.key), /--cert and --key cannot be used: ENOENT/);
}

/** Writes a certificate for an address, and its key. */
function certificateFor(address: string): { cert: string; key: string } {
  const folder = temporaryFolder('certificate');
  const files = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
  const { cert, key } = makeCertificate([address], Date.now());
  writeFileSync(files.cert, cert);
  writeFileSync(files.key, key);
  return files;
}

async function talk(demo: RunningDemo): Promise<void> {
  is(demo.url, `https://${WHERE}/?room=lobby`);
  const printed = demo.lines.join('\n');
  match(printed, /OPEN TO OTHERS\..*\n.*10\.77\.0\.1 .*\n.*ANY NAME/);
  match(printed, `let in TCP port ${PORT} and\n  UDP port ${PORT}`);
  match(printed, /█▀▀▀▀▀█/, 'a corner of the QR code');
  const browsers: Browser[] = [];
  const open = async (kind: BrowserKind): Promise<DemoPage> => {
    const browser = await launchBrowser(kind, { anyCertificate: true, fakeDevices: true });
    browsers.push(browser);
    return openDemoPage(browser, demo.url, { width: 400, height: 700, dark: true });
  };
  try {
    const [ann, bob] = [await open('chromium'), await open('firefox')];
    is(await ann.evaluate('document.getElementById("room").value'), 'lobby');
    await ann.enter('Ann', 'lobby', 'join-bots', 'default');
    await bob.enter('Bob', 'lobby', 'join-alone', 'none');
    await bob.shows('Ann and ten bots', ({ people }) => Object.keys(people).length === 12);
    await bob.shows('sound arrives, of bots', (seen) => arriving(seen) > 10 && seen.slots.some(isBot));
    await bob.wish('Ann', 'Pin');
    await bob.shows('Ann’s microphone is heard', ({ speaking, slots }) =>
      [speaking, slots].every((all) => all.includes('Ann')),
    );
    for (const page of [ann, bob]) await inviteFrom(page);
  } finally {
    await Promise.all(browsers.map((browser) => browser.close()));
  }
}

const isBot = (name: string): boolean => name.endsWith('(bot)');
const arriving = ({ charts }: Seen): number => Number(/↓([\d.]+)/.exec(charts['Bit rate'] ?? '')?.[1]);

/** The link, and the code as a camera before the screen sees it, lead others to the room: in Chromium in dark colours. */
async function inviteFrom(page: DemoPage, link = `https://${WHERE}/?room=lobby`): Promise<void> {
  await page.click('invite-open');
  is(await page.evaluate(`document.getElementById('invite-link').value`), link);
  is(await page.evaluate(`document.getElementById('invite-said').textContent`), '');
  const file = join(temporaryFolder('page'), 'page.png');
  await page.screenshot(file);
  is(readCode(await pixelsOf(page, readFileSync(file))), link);
}

/** Lets the browser decode a picture. */
async function pixelsOf(page: DemoPage, png: Buffer): Promise<{ width: number; height: number; data: Buffer }> {
  const { width, height, data } = await page.evaluate<{ width: number; height: number; data: string }>(`(async () => {
    const bytes = Uint8Array.from(atob('${png.toString('base64')}'), (char) => char.charCodeAt(0));
    const image = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
    const { width, height } = image;
    const context = new OffscreenCanvas(width, height).getContext('2d');
    context.drawImage(image, 0, 0);
    const pixels = context.getImageData(0, 0, width, height).data;
    let data = '';
    for (const value of pixels) data += String.fromCharCode(value);
    return { width, height, data: btoa(data) };
  })()`);
  return { width, height, data: Buffer.from(data, 'base64') };
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
}

async function send(url: string, headers: Record<string, string> = {}): Promise<Answer> {
  const options = { headers, agent: false } as const;
  const sent = url.startsWith('https:')
    ? secureRequest(url, { ...options, rejectUnauthorized: false })
    : request(url, options);
  sent.end();
  const [answer] = await once(sent, 'response');
  let text = '';
  for await (const chunk of answer) text += chunk;
  return { status: answer.statusCode, headers: answer.headers, text };
}

async function overIpv6(): Promise<void> {
  link ??= Beyond.make();
  link.run('ip', 'addr', 'add', 'fd77::1/64', 'dev', 'in', 'nodad');
  execFileSync('ip', ['addr', 'add', 'fd77::2/64', 'dev', 'out', 'nodad']);
  const browser = await launchBrowser('chromium', { anyCertificate: true });
  try {
    await beyond(
      async ({ url }) => {
        is(url, `https://[fd77::1]:${PORT}/?room=lobby`);
        const page = await openDemoPage(browser, url);
        await page.enter('Ann', 'lobby', 'join-bots');
        await page.shows('bots are heard', (seen) => arriving(seen) > 10 && seen.slots.some(isBot));
      },
      ['fd77::1'],
    );
  } finally {
    await browser.close();
  }
}

async function atHome(): Promise<void> {
  link ??= Beyond.make();
  const demo = await startDemo({}, ['--lan']);
  const browser = await launchBrowser('chromium', { anyCertificate: true });
  try {
    const { origin, port } = new URL(demo.url);
    is(origin, `https://${INSIDE}:${port}`);
    const page = await openDemoPage(browser, `https://localhost:${port}/?room=den`);
    await page.enter('Ann', 'den', 'join-alone', 'none');
    await page.shows('connected', ({ state }) => state === 'connected');
    await inviteFrom(page, `${origin}/?room=den`);
  } finally {
    await browser.close();
    await demo.stop();
  }
}

async function refuse(): Promise<void> {
  const ask = (headers: Record<string, string>): Promise<Answer> => send(`https://${WHERE}/demo/state`, headers);
  const own = await ask({ origin: `https://${WHERE}` });
  is(own.status, 200);
  is(JSON.parse(own.text).origin, `https://${WHERE}`);
  is((await ask({ host: `localhost:${PORT}` })).status, 200);
  for (const host of ['evil.example', `${OUTSIDE}.evil.example:${PORT}`, `10.77.0.3:${PORT}`]) {
    const { status, text } = await ask({ host });
    is(status, 403, host);
    match(text, `address the gateway as ${OUTSIDE}`);
    is((await send(`http://${WHERE}/`, { host })).status, 403, `${host} over plain HTTP`);
  }
  for (const origin of ['https://evil.example', `http://${WHERE}`, `https://${OUTSIDE}`, 'null']) {
    is((await ask({ origin })).status, 403, origin);
    const socket = new WebSocket(`wss://${WHERE}/webrtc/connect?token=ann`, { origin, rejectUnauthorized: false });
    const [error] = await once(socket, 'error');
    match(String(error), '403');
  }
  const plain = await send(`http://${WHERE}/?room=den`);
  equal([plain.status, plain.headers['location']], [307, `https://${WHERE}/?room=den`]);
  match(plain.text, 'begin the address with https://');
  is((await certificateThere()).subjectaltname, `IP Address:${OUTSIDE}, IP Address:127.0.0.1, DNS:localhost`);
}

/** Returns the certificate that the demo shows to others. */
async function certificateThere(): Promise<PeerCertificate> {
  const socket = connect({ host: OUTSIDE, port: PORT, rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const certificate = socket.getPeerCertificate();
  socket.destroy();
  return certificate;
}

test.run();
