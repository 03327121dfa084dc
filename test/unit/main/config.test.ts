import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { equal, is, match, ok, unreachable } from 'uvu/assert';
import { type Config, ConfigError, DEFAULTS, readConfig } from '../../../src/main/config.ts';
import { reportConfig } from '../../../src/main/operations/check-config.ts';
import { shownValue } from '../../../src/main/secrets.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('config');

const VARIABLES = fileURLToPath(new URL('../../../../docs/configuration.md', import.meta.url));

/** A variable, values that are taken with what they are read as, and values that are refused. */
interface Row {
  readonly name: keyof Config;
  readonly good: readonly (readonly [text: string, value: unknown])[];
  readonly bad: readonly string[];
}

/** Without which a good value of another variable is refused. */
const NEEDED = { TURN_SECRET: 'x'.repeat(16), WEBHOOK_SECRET: 'x'.repeat(16) };

/** An integer's limits are taken, and nothing beyond, beside or between. */
function integer(name: keyof Config, least: number, most: number): Row {
  const good = [least, least + 1, most].map((value) => [String(value), value] as const);
  const bad = [
    String(least - 1),
    String(most + 1),
    '',
    ' ',
    'x',
    '1.5',
    '1e3',
    '0x10',
    '-1',
    '+1',
    '1 2',
    '99999999999',
  ];
  return { name, good: [...good, [` ${most} `, most]], bad };
}

/** Only powers of two within the limits are taken. */
function powerOfTwo(name: keyof Config, least: number, most: number): Row {
  const good = [least, least * 2, most].map((value) => [String(value), value] as const);
  return {
    name,
    good,
    bad: [String(least / 2), String(most * 2), String(least + 1), String(least * 3), '', 'x', '-1'],
  };
}

const MANY_PORTS = Array.from({ length: 64 }, (_, i) => 40_000 + i);

/** Of a URL without secrets. */
const NOBODY = { user: null, password: null, token: null };

const TABLE: readonly Row[] = [
  {
    name: 'LISTEN',
    good: [
      [':80', { host: undefined, port: 80 }],
      [':0', { host: undefined, port: 0 }],
      [':65535', { host: undefined, port: 65_535 }],
      [' :8080 ', { host: undefined, port: 8080 }],
      ['127.0.0.1:8080', { host: '127.0.0.1', port: 8080 }],
      ['localhost:8080', { host: 'localhost', port: 8080 }],
      ['voice.example.org:443', { host: 'voice.example.org', port: 443 }],
      ['[::1]:8080', { host: '::1', port: 8080 }],
      ['[::]:80', { host: '::', port: 80 }],
    ],
    bad: [
      ...['', '80', ':', 'localhost', 'localhost:', ':65536', ':99999', ':-1', ':x', ':80x', ':000080'],
      ...['::1:80', '[::1]', '[::1]80', '[127.0.0.1]:80', '[localhost]:80', '[::zz]:80'],
      ...['256.0.0.1:80', '127.0.0:80', '1:80', 'http://localhost:80', 'a b:80', '127.0.0.1:80:80'],
    ],
  },
  {
    name: 'ADMIN_LISTEN',
    good: [
      ['', null],
      [' ', null],
      [':8081', { host: undefined, port: 8081 }],
      ['127.0.0.1:0', { host: '127.0.0.1', port: 0 }],
      ['[::1]:8081', { host: '::1', port: 8081 }],
    ],
    bad: ['8081', 'localhost', '127.0.0.1', '[::1]', ':65536', 'http://localhost:8081', '256.0.0.1:80'],
  },
  {
    name: 'METRICS_LISTEN',
    good: [
      ['', null],
      [':8081', { host: undefined, port: 8081 }],
    ],
    bad: ['8081', 'localhost', ':65536'],
  },
  {
    name: 'ADMIN_TOKEN_FILE',
    good: [
      ['', ''],
      [' /etc/backend-webrtc/admin-token ', '/etc/backend-webrtc/admin-token'],
    ],
    bad: ['a\0b'],
  },
  {
    name: 'PROXY_SECRET',
    good: [
      ['', []],
      ['0123456789-_.~+/=', ['0123456789-_.~+/=']],
      [`${'x'.repeat(16)} , ${'y'.repeat(256)}`, ['x'.repeat(16), 'y'.repeat(256)]],
    ],
    bad: ['x'.repeat(15), 'x'.repeat(257), '0123456789abcde"', '0123456789 abcdef', `${'x'.repeat(17)},`.repeat(3)],
  },
  {
    name: 'PERMISSIONS_HOST',
    good: [
      ['', ''],
      ['http://permissions', 'http://permissions'],
      ['http://permissions:8080/', 'http://permissions:8080'],
      [' https://permissions.example.org:443 ', 'https://permissions.example.org'],
      ['http://[::1]:8080', 'http://[::1]:8080'],
      ['http://permissions/v1/', 'http://permissions/v1'],
      ['http://permissions?', 'http://permissions'],
    ],
    bad: [
      ...['permissions', 'permissions:8080', '//permissions', 'ftp://permissions', 'http://', 'http://a:99999'],
      ...['http://user@permissions', 'http://permissions/?a=b', 'http://permissions/#a'],
      'http://a b',
    ],
  },
  {
    name: 'MEDIA_PORTS',
    good: [
      ['40000', [40_000]],
      ['1025', [1025]],
      ['65535', [65_535]],
      ['40000-40003', [40_000, 40_001, 40_002, 40_003]],
      ['40000-40000', [40_000]],
      ['40000, 50000-50001 ,60000', [40_000, 50_000, 50_001, 60_000]],
      ['40000,40000,40000-40001', [40_000, 40_001]],
      ['40000-40063', MANY_PORTS],
    ],
    bad: [
      ...['', ',', '40000,', 'x', '0', '80', '1024', '1024-1030', '65536', '65535-65536', '40003-40000'],
      ...['40000-', '-40000', '40000-40001-40002', '40000 40001', '40000-40064', '40000-40063,50000', '4e4'],
    ],
  },
  {
    name: 'MEDIA_BIND',
    good: [
      ['', ''],
      ['127.0.0.1', '127.0.0.1'],
      ['::1', '::1'],
    ],
    bad: ['localhost', '127.0.0', '127.0.0.1:80', '[::1]', '127.0.0.1,::1', 'eth0'],
  },
  {
    name: 'ANNOUNCED_ADDRESS',
    good: [
      ['', []],
      ['203.0.113.7', ['203.0.113.7']],
      ['203.0.113.7,2001:db8::7', ['203.0.113.7', '2001:db8::7']],
      [' 203.0.113.7 , 2001:db8::7 ', ['203.0.113.7', '2001:db8::7']],
    ],
    bad: [
      'voice.example.org',
      '203.0.113.7:80',
      '203.0.113.7 2001:db8::7',
      '203.0.113.7,x',
      '[2001:db8::7]',
      '203.0.113',
    ],
  },
  {
    name: 'ICE_SERVERS',
    good: [
      ['', []],
      ['stun:stun.example.org', ['stun:stun.example.org']],
      ['stun:stun.example.org:3478', ['stun:stun.example.org:3478']],
      ['stun:[2001:db8::1]:3478', ['stun:[2001:db8::1]:3478']],
      ['turn:user:word@turn.example.org:3478', ['turn:user:word@turn.example.org:3478']],
      ['stun:a.example.org, turns:u:p@b.example.org', ['stun:a.example.org', 'turns:u:p@b.example.org']],
    ],
    bad: [
      ...['stun.example.org', 'stun:', 'http://stun.example.org', 'stun:a b', 'stun:a.example.org,x', 'STUN'],
      ...['stun:a:b', 'stun:a.example.org:3478:1', 'turn:turn.example.org', 'turn:user@turn.example.org'],
    ],
  },
  integer('WORKERS', 1, 64),
  integer('MAX_CONNECTIONS', 1, 65_536),
  integer('MAX_MEMBERSHIPS', 1, 10_000_000),
  integer('MAX_CONNECTIONS_PER_USER', 1, 65_536),
  integer('MAX_SETUPS', 1, 65_536),
  integer('MAX_SETUPS_PER_USER', 1, 65_536),
  integer('MAX_WAITING', 1, 65_536),
  integer('MAX_QUEUED_OFFERS', 1, 65_536),
  integer('MAX_CONVERSATIONS', 1, 10_000_000),
  integer('MAX_PARTICIPANTS', 1, 10_000_000),
  integer('MAX_JOINS_PER_SECOND', 1, 1000),
  integer('MAX_PACKETS_PER_SECOND', 10, 10_000),
  integer('MAX_KBPS', 32, 100_000),
  integer('MAX_RTP_BYTES', 200, 1500),
  integer('MAX_DATA_CHANNELS', 1, 64),
  integer('MAX_MESSAGES_PER_SECOND', 1, 10_000),
  integer('MAX_MESSAGE_KBPS', 8, 100_000),
  integer('MAX_REQUESTS_PER_SECOND', 1, 1000),
  integer('MAX_HTTP_SOCKETS', 1, 65_536),
  integer('MAX_HEADER_BYTES', 2048, 1_048_576),
  integer('REQUEST_TIMEOUT_MS', 100, 600_000),
  integer('KEEP_ALIVE_TIMEOUT_MS', 100, 600_000),
  integer('MAX_SLOTS', 1, 64),
  integer('MAX_MEDIA_LINES', 1, 256),
  integer('MAX_OFFER_BYTES', 1024, 1_048_576),
  integer('MAX_CANDIDATES', 0, 256),
  integer('OFFER_TIMEOUT_MS', 100, 600_000),
  integer('CONNECT_TIMEOUT_MS', 100, 600_000),
  integer('ICE_TIMEOUT_MS', 100, 600_000),
  integer('GATHER_TIMEOUT_MS', 10, 60_000),
  integer('MEMBERSHIP_TIMEOUT_MS', 100, 86_400_000),
  integer('PERMISSIONS_TIMEOUT_MS', 10, 60_000),
  integer('PERMISSIONS_CACHE_MS', 0, 3_600_000),
  integer('PERMISSIONS_RECHECK_MS', 0, 86_400_000),
  integer('DRAIN_TIMEOUT_MS', 0, 86_400_000),
  integer('SHUTDOWN_TIMEOUT_MS', 100, 600_000),
  {
    name: 'NATS_URL',
    good: [
      ['', null],
      [' ', null],
      ['nats://nats', { servers: ['nats:4222'], tls: false, ...NOBODY }],
      ['NATS://nats.example.org:4333/', { servers: ['nats.example.org:4333'], tls: false, ...NOBODY }],
      ['nats://127.0.0.1:1,nats://[::1]:65535', { servers: ['127.0.0.1:1', '[::1]:65535'], tls: false, ...NOBODY }],
      ['nats://a , tls://b', { servers: ['a:4222', 'b:4222'], tls: true, ...NOBODY }],
      ['nats://u:p@a', { servers: ['a:4222'], tls: false, user: 'u', password: 'p', token: null }],
      ['nats://b,nats://u:p@a', { servers: ['b:4222', 'a:4222'], tls: false, user: 'u', password: 'p', token: null }],
      [
        'nats://u:p@a,nats://u:p@b',
        { servers: ['a:4222', 'b:4222'], tls: false, user: 'u', password: 'p', token: null },
      ],
      ['tls://u%40x:p%3A%2F%2C@a', { servers: ['a:4222'], tls: true, user: 'u@x', password: 'p:/,', token: null }],
      ['nats://t0ken@a', { servers: ['a:4222'], tls: false, user: null, password: null, token: 't0ken' }],
    ],
    bad: [
      ...['nats', 'nats:4222', '//nats', 'ws://nats', 'http://nats', 'nats://', 'nats:///', 'nats://a b'],
      ...['nats://a:0', 'nats://a:65536', 'nats://a:x', 'nats://a:4222:1', 'nats://a/b', 'nats://a?b', 'nats://a#b'],
      ...[
        'nats://::1',
        'nats://[127.0.0.1]',
        'nats://[::zz]',
        'nats://256.0.0.1',
        'nats://a,',
        ',nats://a',
        'nats://a,x',
      ],
      ...['nats://@a', 'nats://:@a', 'nats://u:@a', 'nats://:p@a', 'nats://u:p:q@a', 'nats://%zz@a', 'nats://u@p@a'],
      ...['nats://u:p@a,nats://u:q@b', 'nats://u:p@a,nats://t@b', 'nats://u:p,q@a'],
    ],
  },
  ...(['NATS_CREDS', 'NATS_CA', 'NATS_CERT', 'NATS_KEY'] as const).map(
    (name): Row => ({
      name,
      good: [
        ['', ''],
        [' /run/secrets/nats ', '/run/secrets/nats'],
        ['a file', 'a file'],
      ],
      bad: ['a\0b'],
    }),
  ),
  {
    name: 'NATS_REPLICAS',
    good: [1, 3, 5].map((many) => [String(many), many] as const),
    bad: ['', '0', '2', '4', '6', '7', '1.0', 'x'],
  },
  {
    name: 'INSTANCE_ID',
    good: [
      ['', ''],
      [' eu-1_a.b ', 'eu-1_a.b'],
      ['a'.repeat(64), 'a'.repeat(64)],
    ],
    bad: ['a'.repeat(65), 'a b', 'a/b', 'a*', 'a>', 'é', 'a\nb'],
  },
  {
    name: 'CLUSTER',
    good: [
      ['sfu', 'sfu'],
      [' A-b_1 ', 'A-b_1'],
      ['a'.repeat(32), 'a'.repeat(32)],
    ],
    bad: ['', ' ', 'a'.repeat(33), 'a.b', 'a b', 'a*', 'é'],
  },
  integer('MAX_TAPS', 0, 1000),
  integer('MAX_REMOTE_SOURCES', 1, 60_000),
  integer('STATS_INTERVAL_MS', 0, 86_400_000),
  integer('EVENTS_INTERVAL_MS', 20, 10_000),
  integer('MAX_LISTED_PARTICIPANTS', 0, 1000),
  integer('MAX_DELAY_MS', 1, 60_000),
  integer('OFFLOAD_PERCENT', 0, 100),
  integer('OFFLOAD_IDLE_PERCENT', 0, 100_000),
  powerOfTwo('INGRESS_RING_BYTES', 4096, 67_108_864),
  powerOfTwo('EGRESS_RING_BYTES', 4096, 67_108_864),
  {
    name: 'TURN_URLS',
    good: [
      ['', []],
      [' turn:a , turns:b.example:443 ', ['turn:a', 'turns:b.example:443']],
      ...['turn:a:3478?transport=udp', 'turn:1.2.3.4?transport=tcp', 'turn:[2001:db8::7]:65535', 'turns:[::1]'].map(
        (url) => [url, [url]] as const,
      ),
      ['turns:a?transport=tcp', ['turns:a?transport=tcp']],
      [Array(8).fill('turn:a').join(), Array(8).fill('turn:a')],
    ],
    bad: [
      'a',
      'stun:a',
      'turn:',
      'turn:a b',
      'turn://a',
      'turn:u:p@a',
      'turn:u@a',
      'turn:a:0',
      'turn:a:65536',
      'turn:1.2.3',
      'turn:1.2.3.256',
      'turn:[::1',
      'turn:[1.2.3.4]',
      'turn:::1',
      'turn:a?transport=sctp',
      'turns:a?transport=udp',
      'turn:a?transport=udp&x=y',
      Array(9).fill('turn:a').join(),
    ],
  },
  {
    name: 'TURN_SECRET',
    good: [
      ['', ''],
      [' 0123456789abcdef ', '0123456789abcdef'],
      ['!~#"\\'.repeat(4), '!~#"\\'.repeat(4)],
      ['x'.repeat(256), 'x'.repeat(256)],
    ],
    bad: ['x', 'x'.repeat(15), 'x'.repeat(257), '01234567 89abcdef', '0123456789abcdeé', '0123456789abcde\0'],
  },
  integer('TURN_TTL_S', 1, 604_800),
  {
    name: 'WEBHOOK_URL',
    good: [
      ['', ''],
      ['http://a', 'http://a/'],
      [' https://a.example.org:8443/hooks/voice?tenant=1 ', 'https://a.example.org:8443/hooks/voice?tenant=1'],
      ['http://[::1]:8000/', 'http://[::1]:8000/'],
    ],
    bad: ['a', 'a:80', '//a', 'ftp://a', 'http://', 'http://a:99999', 'http://user@a', 'http://a/#b', 'http://a b'],
  },
  {
    name: 'WEBHOOK_SECRET',
    good: [
      ['', []],
      ['0123456789-_.~+/=,another-secret-of-it', ['0123456789-_.~+/=', 'another-secret-of-it']],
    ],
    bad: ['x', 'x'.repeat(257), '0123456789 abcdef'],
  },
  integer('WEBHOOK_TIMEOUT_MS', 10, 60_000),
  integer('WEBHOOK_RETRY_MS', 0, 86_400_000),
  integer('WEBHOOK_QUEUE', 1, 1_000_000),
  {
    name: 'PTIME_MS',
    good: [20, 40, 60].map((ptime) => [String(ptime), ptime] as const),
    bad: ['', '0', '10', '30', '120', '20.0', '20 ms'],
  },
  {
    name: 'RED',
    good: ['off', 'uplink', 'both'].map((use) => [use, use] as const),
    bad: ['', 'on', 'BOTH', '1', 'uplink,both', 'downlink'],
  },
  {
    name: 'LOG_LEVEL',
    good: ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'].map((level) => [level, level] as const),
    bad: ['', 'INFO', 'verbose', '30', 'info,debug', 'toString'],
  },
];

test('an empty environment gives every default', () => {
  const config = readConfig({});
  equal(config.LISTEN, { host: undefined, port: 80 });
  equal(config.MEDIA_PORTS, [40_000, 40_001, 40_002, 40_003]);
  is(config.MEDIA_BIND, '');
  equal(config.ANNOUNCED_ADDRESS, []);
  equal(config.ICE_SERVERS, []);
  ok(config.WORKERS >= 1);
  is(config.MAX_CONNECTIONS, 2000);
  is(config.LOG_LEVEL, 'info');
});

test('every default is what its own text in DEFAULTS is read as', () => {
  equal(readConfig({}), readConfig(DEFAULTS));
  equal(Object.keys(readConfig({})), Object.keys(DEFAULTS));
});

test('the table of this test has every variable', () => {
  equal(TABLE.map(({ name }) => name).sort(), Object.keys(DEFAULTS).sort());
});

for (const { name, good, bad } of TABLE) {
  test(`${name} takes ${good.length} good values and refuses ${bad.length} bad ones by name`, () => {
    for (const [text, value] of good) equal(readConfig({ ...NEEDED, [name]: text })[name], value, JSON.stringify(text));
    for (const text of bad) {
      const message = refusal({ [name]: text });
      ok(message.startsWith(`${name} is ${JSON.stringify(shownValue(name, text))}; allowed: `), message);
      match(message, /allowed: \S.{8,}$/);
      isOneLine(message);
    }
  });
}

test('what is allowed is said in the words of the variable', () => {
  match(refusal({ LISTEN: 'x' }), /host:port, :port or \[v6\]:port/);
  match(refusal({ MEDIA_PORTS: 'x' }), /1025 to 65535/);
  match(refusal({ MAX_SLOTS: '0' }), /a whole number from 1 to 64/);
  match(refusal({ EGRESS_RING_BYTES: '3' }), /a power of two from 4096 to 67108864/);
  match(refusal({ LOG_LEVEL: 'x' }), /trace, debug, info, warn, error, fatal or silent/);
});

test('a bad value with line feeds is still named in one line', () => {
  isOneLine(refusal({ LISTEN: ':80\n:81' }));
  isOneLine(refusal({ LOG_LEVEL: 'info\r\ndebug' }));
});

test('a bad value is named without the password in it', () => {
  match(refusal({ PERMISSIONS_HOST: 'http://user:secret@host' }), 'PERMISSIONS_HOST is "http://user:***@host"; ');
  for (const text of [
    'turn:user:secret@a b',
    'stun:a,turn:user:sec@ret@a:b:c',
    'turns:user:secret@a,x',
    'turn:user:sec,ret@a',
  ]) {
    const message = refusal({ ICE_SERVERS: text });
    match(message, ':user:***@');
    ok(!/sec|ret/.test(message.split(';')[0]!), message);
  }
});

test('a WEBHOOK_URL is shown without its query, which may hold a token', () => {
  const WEBHOOK_URL = 'https://hooks.example/in?key=sec,ret';
  match(refusal({ WEBHOOK_URL: 'ftp://hooks.example/in?key=secret' }), '"ftp://hooks.example/in?***"; ');
  const { lines } = reportConfig({ ...NEEDED, WEBHOOK_URL, WEBHOOK_SECRET: 'x'.repeat(32) }, {});
  equal(
    lines.filter((line) => line.startsWith('WEBHOOK_URL=')),
    ['WEBHOOK_URL=https://hooks.example/in?*** # environment'],
  );
});

test('a bad NATS_URL is named without its secrets', () => {
  for (const text of [
    'nats://sec@a b',
    'sec@a',
    'nats://u:sec@a:x',
    'nats://sec@a,nats://u:ret@b',
    'nats://u:sec@a,nats://ret@b',
    'nats://u:sec,ret@a',
    'nats://sec,ret@a',
    'nats://sec/ret@a',
    'natz://sec@a,nats://ret@a',
  ]) {
    const message = refusal({ NATS_URL: text });
    match(message, '***@');
    ok(!/sec|ret/.test(message.split('; allowed')[0]!), message);
  }
});

test('variables of NATS that contradict each other are refused, if NATS_URL is set', () => {
  const NATS_URL = 'nats://a';
  const taken: Record<string, string>[] = [
    { NATS_URL, MAX_CONNECTIONS: '65000', MAX_REMOTE_SOURCES: '536' },
    { MAX_CONNECTIONS: '65000', MAX_REMOTE_SOURCES: '60000', NATS_CERT: 'a' },
    { NATS_URL, NATS_CREDS: 'a', NATS_CERT: 'b', NATS_KEY: 'c' },
  ];
  for (const environment of taken) readConfig(environment);
  const remote = { NATS_URL, MAX_CONNECTIONS: '65000', MAX_REMOTE_SOURCES: '537' };
  is(refusal(remote), 'MAX_CONNECTIONS and MAX_REMOTE_SOURCES are 65537 together; allowed: at most 65536');
  for (const url of ['nats://u:p@a', 'nats://t@a']) {
    match(refusal({ NATS_URL: url, NATS_CREDS: 'a' }), 'NATS_CREDS is set and NATS_URL has a user or a token; ');
  }
  for (const one of ['NATS_CERT', 'NATS_KEY']) {
    match(refusal({ NATS_URL, [one]: 'a' }), 'NATS_CERT and NATS_KEY are a certificate and its key; allowed: ');
  }
});

test('a bad TURN_SECRET is named without anything of it', () => {
  is(
    refusal({ TURN_SECRET: 'sec,ret' }),
    'TURN_SECRET is "***"; allowed: 16 to 256 visible ASCII characters without spaces, or empty',
  );
});

test('TURN servers without their secret are refused', () => {
  const TURN_SECRET = '0123456789abcdef';
  readConfig({ TURN_URLS: 'turn:a', TURN_SECRET });
  readConfig({ TURN_SECRET });
  is(refusal({ TURN_URLS: 'turn:a' }), 'TURN_URLS is set and TURN_SECRET is empty; allowed: both or neither');
});

test('LISTEN refuses empty brackets', () => {
  match(refusal({ LISTEN: '[]:80' }), 'LISTEN is "[]:80"');
});

test("variables that are not the service's own are not looked at", () => {
  equal(readConfig({ PATH: '/bin', LISTENER: 'x', listen: 'x' }), readConfig({}));
});

test('docs/configuration.md lists every variable with its default, and no other', () => {
  const rows = new Map<string, string>();
  let column = -1;
  for (const line of readFileSync(VARIABLES, 'utf8').split('\n')) {
    const cells = line.split('|').map((cell) => cell.replaceAll('`', '').trim());
    if (cells.includes('Default')) column = cells.indexOf('Default');
    if (/^[A-Z]+(_[A-Z]+)*$/.test(cells[1] ?? '')) rows.set(cells[1]!, cells[column] ?? '');
  }
  for (const [name, otherwise] of Object.entries(DEFAULTS)) {
    ok(rows.has(name), `${name} is missing`);
    if (name !== 'WORKERS') is(rows.get(name), otherwise || 'empty', `default of ${name}`);
  }
  equal(
    [...rows.keys()].filter((name) => !(name in DEFAULTS)),
    [],
  );
});

test.run();

/** The message that an environment is refused with. */
function refusal(environment: Record<string, string>): string {
  try {
    readConfig(environment);
  } catch (error) {
    ok(error instanceof ConfigError, String(error));
    return error.message;
  }
  return unreachable(`${JSON.stringify(environment)} was taken`) as never;
}

function isOneLine(message: string): void {
  ok(!/[\r\n]/.test(message), message);
}
