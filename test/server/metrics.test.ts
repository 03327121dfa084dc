/** The metrics of real servers with real clients, as Prometheus would scrape them. */
import { readFileSync } from 'node:fs';
import { equal, is, match, ok } from 'uvu/assert';
import { Close, Problem } from '../../src/main/errors.ts';
import { ClientHost } from '../support/client.ts';
import { clusterMetrics } from '../support/cluster-figures.ts';
import { Scrape, scrape } from '../support/metrics.ts';
import { createNativeClient } from '../support/native-client.ts';
import { readOffer, writeOffer } from '../support/offers.ts';
import { promtool, withPromtool } from '../support/promtool.ts';
import { exchange, HANDSHAKE } from '../support/raw.ts';
import { scenarios } from '../support/scenario.ts';
import { claimHeader, type RunningServer, startServer } from '../support/server.ts';
import { openSocket } from '../support/socket.ts';
import { until } from '../support/waiting.ts';

const test = scenarios('metrics');
const UNREACHABLE = readOffer('chromium-156-mdns');
const DOCUMENT = readFileSync(new URL('../../../docs/operations.md', import.meta.url), 'utf8');

let running: Promise<RunningServer> | undefined;
const server = (): Promise<RunningServer> => {
  running ??= startServer({
    WORKERS: '2',
    MAX_CONNECTIONS: '6',
    MAX_OFFER_BYTES: '8192',
    OFFER_TIMEOUT_MS: '2000',
    CONNECT_TIMEOUT_MS: '2000',
  });
  return running;
};
const look = async (): Promise<Scrape> => scrape((await server()).adminUrl);

/** Scrapes the server until its metrics are as wanted. */
function scrapeUntil(wanted: (seen: Scrape) => boolean): Promise<Scrape> {
  const seenIfWanted = async (): Promise<Scrape | null> => {
    const seen = await look();
    return wanted(seen) ? seen : null;
  };
  return until(`the metrics are as wanted: ${wanted}`, seenIfWanted, { interval: 100 });
}

const failures = (seen: Scrape, cause: string): number =>
  seen.value('sfu_connection_setup_failures_total', { cause }) ?? Number.NaN;

/** Runs `body` and waits until the metrics count its failures for this cause, and none for another. */
async function fails(cause: string, body: (url: string, port: number) => Promise<unknown>, times = 1): Promise<void> {
  const { url, port } = await server();
  const before = await look();
  await body(url, port);
  const after = await scrapeUntil((seen) => failures(seen, cause) === failures(before, cause) + times);
  const name = 'sfu_connection_setup_failures_total';
  is(after.sum(name), before.sum(name) + times, `only ${cause}`);
}

/** Opens a websocket, sends these messages and waits until it is closed. */
async function says(url: string, ...messages: (string | Buffer)[]): Promise<void> {
  const { socket, closed } = await openSocket(url, 'speaker');
  for (const message of messages) socket.send(message, { binary: false });
  await closed;
}

const CAUSES: readonly (readonly [cause: string, body: (url: string, port: number) => Promise<unknown>])[] = [
  ['bad-claim', (_, port) => exchange(port, `GET /connect HTTP/1.1\r\nHost: x\r\n${HANDSHAKE}\r\n`)],
  [
    'abandoned',
    (_, port) => {
      const claim = `X-User-Claim: ${claimHeader('ann')['X-User-Claim']}\r\n`;
      const handshake = HANDSHAKE.replace('Version: 13', 'Version: x');
      return exchange(port, `GET /connect HTTP/1.1\r\nHost: x\r\n${claim}${handshake}\r\n`);
    },
  ],
  ['bad-sdp', (url) => says(url, 'hello')],
  ['no-audio', (url) => says(url, writeOffer([{ media: 'video' }]))],
  ['bad-frame', (url) => says(url, 'x'.repeat(8193))],
  ['bad-frame', (url) => says(url, Buffer.from([0xff]))],
  ['no-offer', (url) => says(url)],
  ['no-ice', (url) => says(url, UNREACHABLE)],
  ['too-many-messages', (url) => says(url, UNREACHABLE, ...Array.from({ length: 20 }, () => 'noise'))],
  [
    'binary-frame',
    async (url) => {
      const { socket, closed } = await openSocket(url, 'binary');
      socket.send(Buffer.from([1]));
      await closed;
    },
  ],
  ['hung-up', async (url) => (await openSocket(url, 'short')).socket.terminate()],
  [
    'transport-failed',
    async (url) => {
      const client = await createNativeClient('impostor');
      const { socket, next, closed } = await openSocket(url, 'impostor');
      socket.send(
        client.offer.replace(/a=fingerprint:.*(?=\r)/g, `a=fingerprint:sha-256 ${Array(32).fill('AB').join(':')}`),
      );
      for (const candidate of client.candidates) socket.send(candidate);
      client.accept(await next());
      await closed;
      await client.close();
    },
  ],
];

for (const [cause, body] of CAUSES) {
  test(`a connection that fails with ${cause} is counted as that, once`, () => fails(cause, body), 30);
}

test('an attempt that a newer one of the same client replaces is counted', async () => {
  const { url } = await server();
  const sockets: { socket: { terminate(): void } }[] = [];
  await fails('replaced', async () => {
    const first = await openSocket(url, 'twin');
    sockets.push(await openSocket(url, 'twin'));
    await first.closed;
  });
  for (const { socket } of sockets) socket.terminate();
  await scrapeUntil((seen) => seen.value('sfu_websockets_waiting') === 0);
});

test('an attempt that its client gives up after the answer is counted by the step that it waited for', async () => {
  const { url } = await server();
  const sockets: { socket: { terminate(): void } }[] = [];
  await fails('no-ice', async () => {
    const first = await openSocket(url, 'impatient');
    first.socket.send(UNREACHABLE);
    await first.next();
    sockets.push(await openSocket(url, 'impatient'));
    is((await first.closed).code, 4409);
  });
  for (const { socket } of sockets) socket.terminate();
  await scrapeUntil((seen) => seen.value('sfu_websockets_waiting') === 0);
});

test('connections without a free place are counted, and so are the limits', async () => {
  const { url, port } = await server();
  const open = await Promise.all(Array.from({ length: 6 }, (_, i) => openSocket(url, `guest ${i}`)));
  is((await look()).value('sfu_websockets_waiting'), 6);
  for (const { socket, next } of open) {
    socket.send(UNREACHABLE);
    await next();
  }
  const claim = `X-User-Claim: ${claimHeader('late')['X-User-Claim']}\r\n`;
  await fails('full', () => exchange(port, `GET /connect HTTP/1.1\r\nHost: x\r\n${claim}${HANDSHAKE}\r\n`));
  const seen = await look();
  is(seen.value('sfu_connections', { state: 'setup' }), 6);
  is(seen.value('sfu_connections_limit'), 6);
  is(seen.value('sfu_users_limit'), 20_000);
  for (const { socket } of open) socket.terminate();
  await scrapeUntil((after) => after.value('sfu_connections', { state: 'setup' }) === 0);
});

test('a connection that is refused because of the limit of users is a failure, and so is one while draining', async () => {
  const other = await startServer({ MAX_MEMBERSHIPS: '2', DRAIN_TIMEOUT_MS: '60000' });
  const host = new ClientHost();
  for (const name of ['ann', 'ben']) {
    await host.connect(other.url, name);
    const { status } = await fetch(`${other.url}/join/room`, { method: 'POST', headers: claimHeader(name) });
    is(status, 200);
  }
  is((await host.connect(other.url, 'cid')).close.code, 1013);
  is((await fetch(`${other.url}/join/room`, { method: 'POST', headers: claimHeader('cid') })).status, 503);
  is(failures(await scrape(other.adminUrl), 'full'), 1);
  is((await scrape(other.adminUrl)).value('sfu_joins_total', { outcome: 'full' }), 1);
  is((await scrape(other.adminUrl)).value('sfu_draining'), 0);
  const attempt = await openSocket(other.url, 'dan');
  other.process.kill('SIGTERM');
  is((await attempt.closed).code, 1012);
  const claim = `X-User-Claim: ${claimHeader('eve')['X-User-Claim']}\r\n`;
  match(await exchange(other.port, `GET /connect HTTP/1.1\r\nHost: x\r\n${claim}${HANDSHAKE}\r\n`), / 503 /);
  const seen = await scrape(other.adminUrl);
  is(failures(seen, 'draining'), 2);
  is(seen.value('sfu_draining'), 1);
  other.process.kill('SIGTERM');
  is(await other.exited, 0);
  host.kill();
}, 30);

test('the packets of two people in a conversation are counted all the way', async () => {
  const { url } = await server();
  const host = new ClientHost();
  const ann = await host.connect(url, 'ann');
  const ben = await host.connect(url, 'ben');
  const before = await look();
  const join = (user: string, room: string, method = 'POST'): Promise<Response> =>
    fetch(`${url}/join/${room}`, { method, headers: claimHeader(user) });
  for (const name of ['ann', 'ben']) await join(name, 'kitchen');
  await ann.talk(5);
  const heard = (seen: Scrape): number => seen.value('sfu_packets_sent_total', { kind: 'rtp' })!;
  // A publisher gets a report every second or two; the first one after some packets reports the gaps.
  const seen = await scrapeUntil(
    (now) => heard(now) >= 100 && (now.value('sfu_loss_ratio_count', { direction: 'uplink' }) ?? 0) > 0,
  );
  is(seen.value('sfu_connections', { state: 'established' }), 2);
  is(seen.value('sfu_participants'), 2);
  is(seen.value('sfu_publishers'), 2);
  is(seen.value('sfu_conversations'), 1);
  is(seen.value('sfu_conversations_active'), 1);
  is(seen.value('sfu_conversation_participants_max'), 2);
  is(seen.value('sfu_users'), 2);
  is(seen.sum('sfu_worker_load'), 4);
  is(seen.value('sfu_connection_setup_seconds_count'), 2);
  ok(seen.value('sfu_connection_setup_seconds_sum')! > 0);
  is(
    seen.value('sfu_joins_total', { outcome: 'joined' })! - before.value('sfu_joins_total', { outcome: 'joined' })!,
    2,
  );
  const received = seen.value('sfu_packets_received_total', { kind: 'rtp' })!;
  ok(received >= heard(seen) && received < heard(seen) + 100, `${received} in, ${heard(seen)} out`);
  ok(seen.sum('sfu_worker_packets_received_total') >= heard(seen));
  ok(seen.sum('sfu_worker_packets_forwarded_total') >= heard(seen));
  const bytes = seen.value('sfu_bytes_sent_total', { kind: 'rtp' })!;
  ok(bytes > 12 * heard(seen) && bytes < 400 * heard(seen), `${bytes} bytes`);
  ok(seen.value('sfu_bytes_received_total', { kind: 'rtp' })! > 12 * received);
  ok(seen.value('sfu_packets_sent_total', { kind: 'rtcp' })! > 0);
  ok(seen.value('sfu_bytes_sent_total', { kind: 'rtcp' })! > 0);
  const lost = seen.value('sfu_loss_ratio_sum', { direction: 'uplink' })!;
  const reports = seen.value('sfu_loss_ratio_count', { direction: 'uplink' })!;
  ok(lost / reports > 0.05 && lost / reports < 0.4, `${lost} of ${reports}: one packet in five was not sent`);
  ok(Math.abs(seen.value('sfu_forward_seconds_count')! - Math.floor(heard(seen) / 16)) <= 1);
  ok(seen.value('sfu_speaker_switches_total')! >= 1);
  ok(seen.value('sfu_event_loop_delay_seconds_count')! > 0);
  const busy = seen.sum('sfu_worker_busy_seconds_total');
  const up = Date.now() / 1000 - seen.value('process_start_time_seconds')!;
  ok(busy > 0 && busy < up, `two workers that mostly sleep were awake for ${busy} s of ${up} s`);
  ok(seen.value('sfu_worker_beat_age_seconds', { worker: '1' })! < 5);
  await ann.end();
  const after = await scrapeUntil((now) => now.value('sfu_connections_ended_total', { reason: 'gone' }) === 1);
  is(after.value('sfu_connection_life_seconds_count'), 1);
  for (const name of after.types.keys()) {
    if (!name.endsWith('_total') || name.startsWith('process')) continue;
    ok(after.sum(name) >= seen.sum(name), `${name} went back`);
  }
  await ben.end();
  host.kill();
}, 40);

test('HTTP requests that are refused are counted by problem', async () => {
  const { url } = await server();
  const before = await look();
  await fetch(`${url}/nowhere`);
  await fetch(`${url}/join/kitchen`, { method: 'POST' });
  const after = await look();
  for (const problem of ['not-found', 'bad-claim']) {
    const name = 'sfu_http_refusals_total';
    is(after.value(name, { problem }), before.value(name, { problem })! + 1);
  }
  is(failures(after, 'bad-claim'), failures(before, 'bad-claim'), 'a join is no connection');
});

test('no label holds what a client sent, and hostile requests add no series', async () => {
  const { url } = await server();
  const before = await look();
  for (let i = 0; i < 50; i++) {
    await fetch(`${url}/join/room-${i}?token=SECRET-${i}`, { method: 'POST', headers: claimHeader(`hostile-${i}`) });
    await fetch(`${url}/hostile-${i}`);
  }
  const after = await look();
  is(after.size, before.size);
  ok(!/hostile|room-|SECRET/.test(after.text));
  ok(after.size < 400, `${after.size} series`);
  for (const value of after.labelValues) match(value, /^[\w+.-]*$/);
});

test('every close code and every problem has its series before it happens', async () => {
  const seen = await look();
  for (const cause of Object.keys(Close)) {
    if (cause !== 'connected') ok(!Number.isNaN(failures(seen, cause)), cause);
  }
  for (const problem of Object.keys(Problem)) ok(seen.value('sfu_http_refusals_total', { problem }) !== undefined);
});

withPromtool(test, 'promtool finds nothing to complain about', async () => {
  const { text } = await look();
  equal(promtool(['check', 'metrics'], text), { code: 0, text: '' });
  is(promtool(['check', 'metrics'], `${text}\n# TYPE bad_total gauge\nbad_total 1\n`).code, 3, 'it does complain');
});

/** Returns the server's metrics, and those that it would have in a cluster. */
async function lookAtAll(): Promise<Scrape> {
  return new Scrape(`${(await look()).text}\n${clusterMetrics()}`);
}

test('docs/operations.md has every metric with its type and labels, and no other', async () => {
  const seen = await lookAtAll();
  const rows = [...DOCUMENT.matchAll(/^\| `([a-z0-9_]+)` \| (gauge|counter|histogram) \| ([^|]*)\|/gm)];
  equal(rows.map((row) => row[1]).sort(), [...seen.types.keys()].sort());
  for (const [, name, type, labels] of rows) {
    is(type, seen.types.get(name!), name);
    const documented = [...labels!.matchAll(/`(\w+)`/g)].map((label) => label[1]!).sort();
    // There may have been no garbage collection yet.
    if (name === 'nodejs_gc_duration_seconds') continue;
    equal(documented, [...(seen.labels.get(name!) ?? [])].sort(), name);
  }
});

test('docs/operations.md names every value of the labels that tell a cause', async () => {
  const seen = await lookAtAll();
  const labels = ['link', 'cause', 'reason', 'problem', 'outcome', 'state', 'ring', 'kind', 'direction'];
  for (const label of labels) {
    const values = new Set([...seen.text.matchAll(new RegExp(`\\b${label}="([^"]*)"`, 'g'))].map((found) => found[1]!));
    ok(values.size > 1, label);
    for (const value of values) {
      if (/^(minor|major|incremental|weakcb)$/.test(value)) continue;
      ok(DOCUMENT.includes(`\`${value}\``) || new RegExp(`\\| ${value} \\|`).test(DOCUMENT), `${label}="${value}"`);
    }
  }
});

test('the server stops', async () => {
  is(await (await server()).stop(), 0);
});

test('slots and candidates beyond the limits are counted', async () => {
  const small = await startServer({ MAX_SLOTS: '2', MAX_CANDIDATES: '1', CONNECT_TIMEOUT_MS: '1000' });
  const { socket, next, closed } = await openSocket(small.url, 'ann');
  socket.send(readOffer('chromium-156-slots-3'));
  await next();
  for (const port of [1, 2, 3]) socket.send(`candidate:1 1 udp 1 192.0.2.1 ${port} typ host`);
  is((await closed).code, 4504);
  const seen = await scrape(small.adminUrl);
  is(seen.value('sfu_offers_trimmed_total', { what: 'slots' }), 1);
  ok((seen.value('sfu_offers_trimmed_total', { what: 'candidates' }) ?? 0) >= 2);
  is(await small.stop(), 0);
});

test.run();
