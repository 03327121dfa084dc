/** The real process and its configuration at start. */

import { createSocket } from 'node:dgram';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { equal, is, match, ok } from 'uvu/assert';
import { launchUntilExit } from '../support/launch.ts';
import { scenarios } from '../support/scenario.ts';
import { freeUdpPort, startServer } from '../support/server.ts';

const test = scenarios('config at start');

const BUILT = fileURLToPath(new URL('../../src', import.meta.url));
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
/** The id of `nobody` where there is one; any user without privileges would do. */
const UNPRIVILEGED = 65_534;

test('a bad value ends the process with code 1 and one line on standard error', async () => {
  const { code, stdout, stderr } = await launchUntilExit({ LISTEN: '127.0.0.1:0', MAX_SLOTS: '0' });
  is(code, 1);
  equal(stdout, []);
  equal(stderr, ['MAX_SLOTS is "0"; allowed: a whole number from 1 to 64']);
});

test('an occupied HTTP port ends the process with a message that names LISTEN', async () => {
  const occupier = createServer();
  const port = await listenOn(occupier);
  try {
    const { code, stdout, stderr } = await launchUntilExit({ LISTEN: `127.0.0.1:${port}` });
    is(code, 1);
    equal(stderr, []);
    const { level, msg } = JSON.parse(stdout.at(-1)!);
    is(level, 60);
    match(msg, `127.0.0.1:${port} was refused (EADDRINUSE)`);
    match(msg, 'choose another address with LISTEN');
  } finally {
    occupier.close();
  }
});

const { whyNot, uid } = privileged();
if (whyNot !== null) test.skip('a privileged HTTP port ends the process with a message that names LISTEN', whyNot);
else {
  test('a privileged HTTP port ends the process with a message that names LISTEN', async () => {
    const options = uid === undefined ? {} : { uid };
    const { code, stdout } = await launchUntilExit({ LISTEN: '127.0.0.1:1' }, options);
    is(code, 1);
    const { msg } = JSON.parse(stdout.at(-1)!);
    match(msg, '127.0.0.1:1 was refused (EACCES)');
    match(msg, 'LISTEN=:8080');
  });
}

test('a host name that does not resolve ends the process with a message that names LISTEN', async () => {
  const { code, stdout } = await launchUntilExit({ LISTEN: 'no-such-host.invalid:0' });
  is(code, 1);
  match(
    JSON.parse(stdout.at(-1)!).msg,
    /^no-such-host\.invalid:0 was refused \(\w+\): choose another address with LISTEN/,
  );
});

test('an occupied media port ends the process with a message that names the port and MEDIA_PORTS', async () => {
  const occupier = createSocket('udp4');
  const port = await new Promise<number>((resolve) => {
    occupier.bind(0, '127.0.0.1', () => resolve(occupier.address().port));
  });
  try {
    const free = await freeUdpPort();
    const { code, stdout } = await launchUntilExit({ LISTEN: '127.0.0.1:0', MEDIA_PORTS: `${free},${port}` });
    is(code, 1);
    const { level, msg } = JSON.parse(stdout.at(-1)!);
    is(level, 60);
    match(msg, `UDP port ${port} of 127.0.0.1 cannot be opened (EADDRINUSE)`);
    match(msg, 'choose others with MEDIA_PORTS');
  } finally {
    occupier.close();
  }
});

test("a media address that is not this machine's ends the process with a message that names MEDIA_BIND", async () => {
  const { code, stdout } = await launchUntilExit({ LISTEN: '127.0.0.1:0', MEDIA_BIND: '203.0.113.7' });
  is(code, 1);
  match(JSON.parse(stdout.at(-1)!).msg, /203\.0\.113\.7 cannot be opened \(EADDRNOTAVAIL\).*MEDIA_BIND/);
});

test('the .env of the repository says LISTEN=:80, and the environment wins over it', async () => {
  match(readFileSync(join(ROOT, '.env'), 'utf8'), /^LISTEN=:80$/m);
  const server = await startServer({ LISTEN: '127.0.0.1:0' });
  ok(server.port !== 80);
  is(JSON.parse(await server.logged('"msg":"listening"')).address, '127.0.0.1');
  is(await server.stop(), 0);
});

test('a .env beside the package is read, and a variable of the environment wins over its line', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'backend-webrtc-'));
  try {
    cpSync(BUILT, join(directory, 'dist/src'), { recursive: true });
    cpSync(join(ROOT, 'package.json'), join(directory, 'package.json'));
    symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
    writeFileSync(join(directory, '.env'), 'LISTEN=from-the-file\nMAX_SLOTS=from-the-file-too\n');
    const main = join(directory, 'dist/src/main/main.js');
    const alone = await launchUntilExit({}, { main });
    match(alone.stderr[0]!, 'LISTEN is "from-the-file"');
    const over = await launchUntilExit({ LISTEN: '127.0.0.1:0' }, { main });
    match(over.stderr[0]!, 'MAX_SLOTS is "from-the-file-too"');
    const empty = await launchUntilExit({ LISTEN: '' }, { main });
    match(empty.stderr[0]!, 'LISTEN is ""');
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('an unreadable .env is named, with what to do', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'backend-webrtc-'));
  try {
    cpSync(BUILT, join(directory, 'dist/src'), { recursive: true });
    cpSync(join(ROOT, 'package.json'), join(directory, 'package.json'));
    symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
    // Docker creates a folder where a file to mount is missing.
    mkdirSync(join(directory, '.env'));
    const main = join(directory, 'dist/src/main/main.js');
    for (const args of [[], ['--check-config'], ['--healthcheck']]) {
      const { code, stderr } = await launchUntilExit({}, { main, args });
      is(code, 1);
      is(stderr.length, 1, stderr.join('\n'));
      match(stderr[0]!, /\.env cannot be read \(EISDIR\): make it a file/);
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test.run();

function listenOn(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
  });
}

/** Returns why no user can be refused port 1 here, or null, and the id of the user to run as, if not this one. */
function privileged(): { whyNot: string | null; uid?: number } {
  if (process.platform !== 'linux') return { whyNot: 'not Linux' };
  const first = Number(readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8'));
  if (first <= 1) return { whyNot: 'every port may be opened by everybody here' };
  return process.getuid?.() === 0 ? { whyNot: null, uid: UNPRIVILEGED } : { whyNot: null };
}
