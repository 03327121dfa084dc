/** The command line of the real process. */
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { equal, is, match, ok } from 'uvu/assert';
import { DEFAULTS } from '../../src/main/config.ts';
import { reportConfig } from '../../src/main/operations/check-config.ts';
import { freeTcpPort } from '../support/child.ts';
import { type Ending, launchUntilExit } from '../support/launch.ts';
import { scenarios } from '../support/scenario.ts';
import { freeUdpPort, startServer } from '../support/server.ts';

const test = scenarios('cli');

const BUILT = fileURLToPath(new URL('../../src', import.meta.url));
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

function run(args: string[], env: Record<string, string> = {}): Promise<Ending> {
  return launchUntilExit(env, { args });
}

/** Runs a copy of the service that has this `.env`. */
async function runWith(file: string, args: string[], env: Record<string, string> = {}): Promise<Ending> {
  const directory = mkdtempSync(join(tmpdir(), 'backend-webrtc-'));
  try {
    cpSync(BUILT, join(directory, 'dist/src'), { recursive: true });
    cpSync(join(ROOT, 'package.json'), join(directory, 'package.json'));
    symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
    writeFileSync(join(directory, '.env'), file);
    return await launchUntilExit(env, { args, main: join(directory, 'dist/src/main/main.js') });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Good values of the TURN variables. */
const TURN = { TURN_URLS: 'turn:a', TURN_SECRET: 'x'.repeat(16) };

/** Returns the warnings about a configuration with these values. */
function warnings(env: Record<string, string>): readonly string[] {
  const { warnings, errors } = reportConfig(
    { ANNOUNCED_ADDRESS: '203.0.113.7', PROXY_SECRET: 'x'.repeat(16), ...env },
    {},
  );
  equal(errors, []);
  return warnings;
}

test('--help names the usage, every variable with its default, the signals and the exit codes', async () => {
  const { code, stdout, stderr } = await run(['--help']);
  is(code, 0);
  equal(stderr, []);
  const text = stdout.join('\n');
  for (const option of ['--help', '--version', '--check-config', '--healthcheck']) match(text, option);
  for (const [name, otherwise] of Object.entries(DEFAULTS)) {
    const line = stdout.find((one) => one.startsWith(`  ${name} `));
    ok(line !== undefined && /^ {2}\w+ {2,}\S.{5,}$/.test(line), name);
    is(/ \[(.*)\]$/.exec(line!)?.[1] ?? '', otherwise, name);
  }
  for (const words of [
    'docs/configuration.md',
    'docs/operations.md',
    '.env',
    'SIGTERM',
    'Exit codes: 0 ',
    '1 it could',
    '2 no such option',
  ])
    match(text, words);
}, 60);

test('--version prints the version of package.json', async () => {
  equal(await run(['--version']), { code: 0, stdout: [version], stderr: [] });
}, 60);

test('an unknown option or an argument ends it with 2 and a hint, and nothing is started', async () => {
  for (const args of [
    ['--nope'],
    ['-h'],
    ['start'],
    ['--help', 'x'],
    ['--help=x'],
    ['--check-confi'],
    ['--no-help'],
    [''],
  ]) {
    const { code, stdout, stderr } = await run(args);
    is(code, 2, args.join(' '));
    equal(stdout, []);
    is(stderr.length, 1, stderr.join('\n'));
    match(stderr[0]!, '--help lists what there is');
  }
}, 60);

test('--version --verbose adds what is in Node.js and in the native library', async () => {
  const { code, stdout } = await run(['--version', '--verbose']);
  is(code, 0);
  is(stdout[0], version);
  match(stdout[1]!, /^Node\.js \d+\.\d+\.\d+ \(OpenSSL \d/);
  match(
    stdout.slice(2).join('\n'),
    /^node-datachannel [\d.]+\n {2}libdatachannel [\d.]+\n {2}libsrtp2 [\d.]+\n {2}OpenSSL \d\S+$/,
  );
  equal(await run(['--verbose']), {
    code: 2,
    stdout: [],
    stderr: ['--verbose goes with --version: --help lists what there is'],
  });
});

test('a bad variable keeps neither --help nor --version from answering', async () => {
  for (const option of ['--help', '--version']) is((await run([option], { MAX_SLOTS: 'x' })).code, 0);
}, 60);

test('--check-config prints every variable, in their order, and where each value comes from', async () => {
  const file = 'LISTEN=localhost:8080\nMAX_SLOTS=4\nANNOUNCED_ADDRESS=203.0.113.7\nOTHER=1\n';
  const { code, stdout, stderr } = await runWith(file, ['--check-config'], { MAX_SLOTS: '5', WORKERS: '1' });
  is(code, 0);
  equal(stderr, []);
  equal(
    stdout.map((line) => line.split('=')[0]),
    Object.keys(DEFAULTS),
  );
  for (const line of [
    'LISTEN=localhost:8080 # .env',
    'MAX_SLOTS=5 # environment',
    'WORKERS=1 # environment',
    'ANNOUNCED_ADDRESS=203.0.113.7 # .env',
    'ADMIN_LISTEN=127.0.0.1:0 # environment',
    'ICE_SERVERS= # default',
    'LOG_LEVEL=info # default',
  ]) {
    ok(stdout.includes(line), line);
  }
}, 60);

test('--check-config names every bad value, and prints the good ones', async () => {
  const bad = { LISTEN: 'x', MAX_SLOTS: '0', LOG_LEVEL: 'loud' };
  const { code, stdout, stderr } = await run(['--check-config'], bad);
  is(code, 1);
  equal(
    stderr.map((line) => line.split(';')[0]),
    ['LISTEN is "x"', 'MAX_SLOTS is "0"', 'LOG_LEVEL is "loud"'],
  );
  is(stdout.length, Object.keys(DEFAULTS).length - 3);
}, 60);

test('--check-config shows no password, good or bad', async () => {
  const servers = 'turn:user:secret1@a.example.org,stun:b.example.org,turns:other:secret2@c.example.org';
  const good = await run(['--check-config'], { ICE_SERVERS: servers });
  const line = 'ICE_SERVERS=turn:user:***@a.example.org,stun:b.example.org,turns:other:***@c.example.org # environment';
  ok(good.stdout.includes(line));
  const bad = await run(['--check-config'], { ICE_SERVERS: 'turn:user:secret1@a b' });
  is(bad.code, 1);
  ok(!JSON.stringify([good, bad]).includes('secret'));
}, 60);

test('--check-config shows no secret of NATS, good or bad', async () => {
  for (const [NATS_URL, shown] of [
    ['nats://user:secret1@a,nats://b', 'nats://user:***@a,nats://b'],
    ['tls://secret2@a', 'tls://***@a'],
  ] as const) {
    const { code, stdout } = await run(['--check-config'], { NATS_URL });
    is(code, 0);
    ok(stdout.includes(`NATS_URL=${shown} # environment`));
    ok(!JSON.stringify(stdout).includes('secret'));
  }
  const bad = await run(['--check-config'], { NATS_URL: 'nats://secret3@a b' });
  is(bad.code, 1);
  ok(!JSON.stringify(bad).includes('secret'));
}, 60);

test('--check-config does not show the secret of TURN, good or bad', async () => {
  const TURN_URLS = 'turn:a,turns:b';
  const good = await run(['--check-config'], { TURN_URLS, TURN_SECRET: 'secret1,secret2,secret3' });
  is(good.code, 0);
  for (const line of ['TURN_URLS=turn:a,turns:b # environment', 'TURN_SECRET=*** # environment']) {
    ok(good.stdout.includes(line), line);
  }
  const bad = await run(['--check-config'], { TURN_URLS, TURN_SECRET: 'secret4' });
  is(bad.code, 1);
  ok(!JSON.stringify([good, bad]).includes('secret'));
}, 60);

test('--check-config does not show the proxy’s secret, good or bad', async () => {
  const good = await run(['--check-config'], { PROXY_SECRET: 'secret-of-the-proxy,another-secret-of-it' });
  is(good.code, 0);
  ok(good.stdout.includes('PROXY_SECRET=*** # environment'));
  const bad = await run(['--check-config'], { PROXY_SECRET: 'secret' });
  is(bad.code, 1);
  ok(!JSON.stringify([good, bad]).includes('secret'), JSON.stringify(bad));
}, 60);

test('--check-config says what is wrong with the file of the operators’ token, and shows no token', () => {
  const folder = mkdtempSync(join(tmpdir(), 'backend-webrtc-'));
  const path = join(folder, 'token');
  try {
    for (const [text, wrong] of [
      [null, /^ADMIN_TOKEN_FILE is a file that cannot be read \(ENOENT\): \//],
      ['', /^ADMIN_TOKEN_FILE is an empty file: \//],
      [' \n', /^ADMIN_TOKEN_FILE is an empty file/],
      ['short\n', /^ADMIN_TOKEN_FILE has no token of 16 to 256/],
      ['two words are no token', /^ADMIN_TOKEN_FILE has no token/],
      ['x'.repeat(400), /^ADMIN_TOKEN_FILE has no token/],
    ] as const) {
      if (text !== null) writeFileSync(path, text);
      const { errors } = reportConfig({ ADMIN_TOKEN_FILE: path }, {});
      is(errors.length, 1, String(text));
      match(errors[0]!, wrong);
    }
    match(reportConfig({ ADMIN_TOKEN_FILE: folder }, {}).errors[0]!, /cannot be read/);
    writeFileSync(path, 'a-token-for-operators\n');
    const { errors, lines, warnings: odd } = reportConfig({ ADMIN_TOKEN_FILE: path, ADMIN_LISTEN: ':8081' }, {});
    equal(errors, []);
    ok(!JSON.stringify([lines, odd]).includes('a-token'));
    ok(!odd.some((one) => one.startsWith('ADMIN_LISTEN')), 'whoever has it may act from anywhere');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('--check-config names files of NATS that cannot be read', () => {
  const files = { NATS_CREDS: '/nowhere/creds', NATS_CA: '/nowhere/ca' };
  equal(reportConfig({ NATS_URL: 'nats://a', ...files }, {}).errors, [
    'NATS_CREDS is a file that cannot be read (ENOENT): /nowhere/creds',
    'NATS_CA is a file that cannot be read (ENOENT): /nowhere/ca',
  ]);
  equal(reportConfig(files, {}).errors, []);
  equal(reportConfig({ NATS_URL: 'nats://a', NATS_CA: import.meta.filename }, {}).errors, []);
});

test('a value of several lines is shown in one', async () => {
  const { stdout } = await run(['--check-config'], { MEDIA_PORTS: '40000,\n40001' });
  ok(stdout.includes('MEDIA_PORTS=40000, 40001 # environment'));
}, 60);

test('--check-config warns of values that are probably mistakes', () => {
  equal(warnings({ WORKERS: '1' }), []);
  const cases: [Record<string, string>, RegExp][] = [
    [{ LISTEN: '127.0.0.1:8080', ADMIN_LISTEN: '127.0.0.1:8080' }, /^LISTEN and ADMIN_LISTEN are the same port/],
    [{ LISTEN: ':8080', ADMIN_LISTEN: '127.0.0.1:8080' }, /^LISTEN and ADMIN_LISTEN are the same port/],
    [{ PROXY_SECRET: '' }, /^LISTEN is not a loopback address and PROXY_SECRET is empty/],
    [{ LISTEN: ':8080', METRICS_LISTEN: ':8080' }, /^LISTEN and METRICS_LISTEN are the same port/],
    [{ METRICS_LISTEN: '127.0.0.1:8081' }, /^ADMIN_LISTEN and METRICS_LISTEN are the same port/],
    [{ ADMIN_LISTEN: '192.0.2.1:8081' }, /^ADMIN_LISTEN is not a loopback/],
    [{ ADMIN_LISTEN: ':8081' }, /^ADMIN_LISTEN is not a loopback/],
    [{ ADMIN_LISTEN: '' }, /^ADMIN_LISTEN is empty, and METRICS_LISTEN, too/],
    [
      { ADMIN_LISTEN: '', METRICS_LISTEN: ':8081', ADMIN_TOKEN_FILE: '/nowhere' },
      /^ADMIN_LISTEN is empty, so ADMIN_TOKEN_FILE has no effect/,
    ],
    [{ ANNOUNCED_ADDRESS: '', MEDIA_BIND: '127.0.0.1' }, /^ANNOUNCED_ADDRESS is empty/],
    [{ DRAIN_TIMEOUT_MS: '80001' }, /^DRAIN_TIMEOUT_MS and SHUTDOWN_TIMEOUT_MS together are more than 90 s/],
    [{ EGRESS_RING_BYTES: '524288' }, /^EGRESS_RING_BYTES is less than INGRESS_RING_BYTES/],
    [{ GATHER_TIMEOUT_MS: '20000' }, /^GATHER_TIMEOUT_MS is not less/],
    [{ MAX_SLOTS: '33' }, /^MAX_SLOTS is more than MAX_MEDIA_LINES/],
    [{ MAX_MEMBERSHIPS: '1999' }, /^MAX_MEMBERSHIPS is less/],
    [{ WORKERS: '64' }, /^WORKERS is more than this process has cores/],
    [{ PERMISSIONS_CACHE_MS: '1' }, /^PERMISSIONS_HOST is empty/],
    [{ TURN_SECRET: 'x'.repeat(16) }, /^TURN_URLS is empty, so TURN_SECRET and TURN_TTL_S have no effect/],
    [{ ...TURN, TURN_URLS: 'turns:a,turn:a?transport=tcp' }, /^TURN_URLS has no server over UDP: Chromium/],
    [{ ...TURN, TURN_TTL_S: '19' }, /^TURN_TTL_S is less than CONNECT_TIMEOUT_MS/],
    [{ INSTANCE_ID: 'eu-1' }, /^NATS_URL is empty, so NATS_CREDS, .* and MAX_REMOTE_SOURCES have no effect/],
    [{ WEBHOOK_QUEUE: '9' }, /^WEBHOOK_URL is empty, so the other WEBHOOK variables have no effect/],
    [{ MAX_REMOTE_SOURCES: '9' }, /^NATS_URL is empty/],
    [{ NATS_URL: 'nats://a,nats://b', NATS_REPLICAS: '3' }, /^NATS_REPLICAS is more than NATS_URL has servers/],
  ];
  for (const [env, expected] of cases) {
    const found = warnings(env);
    is(found.length, 1, `${JSON.stringify(env)}: ${found.join('\n')}`);
    match(found[0]!, expected);
  }
});

test('--check-config with warnings still ends with 0', async () => {
  const { code, stderr } = await run(['--check-config'], {
    ADMIN_LISTEN: '',
    LISTEN: '127.0.0.1:0',
    ANNOUNCED_ADDRESS: '203.0.113.7',
  });
  is(code, 0);
  equal(stderr, ['warning: ADMIN_LISTEN is empty, and METRICS_LISTEN, too: there are no health checks and no metrics']);
}, 60);

test('--check-config does not warn of values that only look like mistakes', () => {
  const fine: Record<string, string>[] = [
    { LISTEN: '127.0.0.1:8080', ADMIN_LISTEN: '127.0.0.2:8080' },
    { LISTEN: ':0' },
    { ADMIN_LISTEN: '[::1]:8081' },
    { LISTEN: '127.0.0.1:80', PROXY_SECRET: '' },
    { ADMIN_LISTEN: '', METRICS_LISTEN: ':8081' },
    { METRICS_LISTEN: ':8082' },
    { ADMIN_LISTEN: 'localhost:8081' },
    { ANNOUNCED_ADDRESS: '', ICE_SERVERS: 'stun:stun.example.org' },
    { ANNOUNCED_ADDRESS: '', MEDIA_BIND: '203.0.113.7' },
    { PERMISSIONS_HOST: 'http://permissions', PERMISSIONS_CACHE_MS: '1' },
    { ...TURN, TURN_TTL_S: '20' },
    { ...TURN, TURN_URLS: 'turns:a,turn:a:443?transport=udp' },
    { NATS_URL: 'nats://a', INSTANCE_ID: 'eu-1', CLUSTER: 'x', MAX_REMOTE_SOURCES: '9' },
  ];
  for (const env of fine) equal(warnings(env), [], JSON.stringify(env));
});

test('--check-config names misspelled variables in .env, and leaves other programs’ variables alone', async () => {
  const file = 'MAX_SLOT=4\nLOGLEVEL=debug\nmedia_ports=40000\nCOMPOSE_PROJECT_NAME=x\nPORT=1\nLISTEN=localhost:8080\n';
  const { code, stderr } = await runWith(file, ['--check-config'], { ANNOUNCED_ADDRESS: '203.0.113.7', MAX_SLOT: '4' });
  is(code, 0);
  equal(
    stderr.map((line) => /^warning: (\w+) in \.env .* did you mean (\w+)\?$/.exec(line)?.slice(1)),
    [
      ['LOGLEVEL', 'LOG_LEVEL'],
      ['MAX_SLOT', 'MAX_SLOTS'],
      ['media_ports', 'MEDIA_PORTS'],
    ],
  );
}, 60);

/** Runs `--healthcheck` against a server that answers like this. @returns exit code and output. */
async function healthcheck(
  answer: RequestListener,
  listen: (port: number) => string = (port) => `127.0.0.1:${port}`,
  host = '127.0.0.1',
): Promise<Ending> {
  const server = createServer(answer);
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, host, resolve));
  const { port } = server.address() as AddressInfo;
  try {
    return await run(['--healthcheck'], { ADMIN_LISTEN: listen(port) });
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

test('--healthcheck is 0 without a word if /healthz answers 200, and 1 with one line otherwise', async () => {
  const paths: string[] = [];
  const good = await healthcheck((request, response) => {
    paths.push(`${request.method} ${request.url}`);
    response.end();
  });
  equal(good, { code: 0, stdout: [], stderr: [] });
  equal(paths, ['GET /healthz']);
  for (const status of [204, 302, 404, 500, 503]) {
    const { code, stdout, stderr } = await healthcheck((_, response) => response.writeHead(status).end());
    is(code, 1);
    equal(stdout, []);
    is(stderr.length, 1);
    match(stderr[0]!, new RegExp(`^http://127\\.0\\.0\\.1:\\d+/healthz answered ${status}$`));
  }
}, 60);

test('--healthcheck asks loopback where the service listens on every address', async () => {
  const fine: RequestListener = (_, response) => response.end();
  is((await healthcheck(fine, (port) => `0.0.0.0:${port}`, '0.0.0.0')).code, 0);
  is((await healthcheck(fine, (port) => `:${port}`)).code, 0);
  is((await healthcheck(fine, (port) => `localhost:${port}`)).code, 0);
}, 60);

const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'));
if (!hasIpv6) test.skip('--healthcheck asks IPv6', 'no ::1 here');
else {
  test('--healthcheck asks IPv6', async () => {
    const fine: RequestListener = (_, response) => response.end();
    is((await healthcheck(fine, (port) => `[::1]:${port}`, '::1')).code, 0);
    is((await healthcheck(fine, (port) => `[::]:${port}`, '::')).code, 0);
    const { stderr } = await run(['--healthcheck'], { ADMIN_LISTEN: `[::1]:${await freeUdpPort()}` });
    match(stderr[0]!, /^http:\/\/\[::1\]:\d+\/healthz cannot be asked \(ECONNREFUSED\)/);
  }, 60);
}

test('--healthcheck that gets no answer gives up after three seconds', async () => {
  const hanging = await healthcheck(() => undefined);
  is(hanging.code, 1);
  equal(hanging.stderr.length, 1);
  match(hanging.stderr[0]!, 'no answer within 3000 ms');
  const garbage = createTcpServer((socket) => socket.on('error', () => undefined).end('hello\r\n\r\n'));
  await new Promise<void>((resolve) => garbage.listen(0, '127.0.0.1', resolve));
  const { port } = garbage.address() as AddressInfo;
  const { code, stderr } = await run(['--healthcheck'], { ADMIN_LISTEN: `127.0.0.1:${port}` });
  garbage.close();
  is(code, 1);
  is(stderr.length, 1);
  match(stderr[0]!, 'cannot be asked (HPE_');
}, 60);

test('--healthcheck that cannot ask says why', async () => {
  const cases: [string, RegExp][] = [
    ['', /^ADMIN_LISTEN is empty: set it/],
    ['127.0.0.1:0', /^ADMIN_LISTEN has port 0/],
    ['x', /^ADMIN_LISTEN is "x"; allowed: /],
    [`127.0.0.1:${await freeUdpPort()}`, /cannot be asked \(ECONNREFUSED\): is the service running/],
  ];
  for (const [ADMIN_LISTEN, expected] of cases) {
    const { code, stdout, stderr } = await run(['--healthcheck'], { ADMIN_LISTEN });
    is(code, 1);
    equal(stdout, []);
    is(stderr.length, 1);
    match(stderr[0]!, expected);
  }
}, 60);

test('--healthcheck of a service that runs is 0', async () => {
  const server = await startServer();
  is((await run(['--healthcheck'], { ADMIN_LISTEN: new URL(server.adminUrl).host })).code, 0);
  is(await server.stop(), 0);
}, 60);

test('--healthcheck asks METRICS_LISTEN where there is no ADMIN_LISTEN', async () => {
  const port = await freeTcpPort();
  const apart = { ADMIN_LISTEN: '', METRICS_LISTEN: `127.0.0.1:${port}` };
  match((await run(['--healthcheck'], apart)).stderr[0]!, /is the service running, with this METRICS_LISTEN\?$/);
  const server = await startServer(apart);
  is((await run(['--healthcheck'], apart)).code, 0);
  is(await server.stop(), 0);
}, 60);

test('npm start passes options on', async () => {
  const child = spawn('npm', ['start', '--silent', '--', '--version'], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let stdout = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  is(await new Promise((resolve) => child.once('close', resolve)), 0);
  is(stdout.trim(), version);
}, 60);

test.run();
