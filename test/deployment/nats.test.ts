/** `deploy/nats/nats.conf` on real servers: its user may do what the service does, and nothing else. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { request } from 'undici';
import { equal, is, match, ok } from 'uvu/assert';
import { NatsServer, withEachNats } from '../support/nats.ts';
import { openLink, refusedLink } from '../support/nats-link.ts';
import { scenarios } from '../support/scenario.ts';
import { claimHeader, startServer } from '../support/server.ts';
import { until } from '../support/waiting.ts';

const test = scenarios('nats');
const FILE = fileURLToPath(new URL('../../../deploy/nats/nats.conf', import.meta.url));
const SHIPPED = readFileSync(FILE, 'utf8');
const GUIDE = readFileSync(new URL('../../../docs/cluster.md', import.meta.url), 'utf8');
const SECONDS = 60;

/** Returns the quoted subjects of a list in the file. */
function listed(name: 'publish' | 'subscribe'): string[] {
  const start = SHIPPED.indexOf(`${name}: {`);
  return [...SHIPPED.slice(start, SHIPPED.indexOf(']', start)).matchAll(/"([^"]+)"/g)].map(([, subject]) => subject!);
}

test('the guide names just the subjects of the file', () => {
  const section = GUIDE.slice(GUIDE.indexOf('### Permissions'), GUIDE.indexOf('### TLS'));
  const told = [...section.matchAll(/^\| (Publish[^|]*) \| ([^|]+) \|/gm)].flatMap(([, what, subjects]) =>
    [...subjects!.matchAll(/`([^`]+)`/g)].flatMap(([, text]) => {
      const [, before = '', choices = '', after = ''] = /^([^{]*)\{([^}]*)\}(.*)$/.exec(text!) ?? [];
      const each = choices === '' ? [text!] : choices.split(',').map((choice) => `${before}${choice}${after}`);
      return each.map((subject) => [what!, subject] as const);
    }),
  );
  equal(told.map(([, subject]) => subject).sort(), listed('publish').sort());
  equal(
    told.filter(([what]) => what.includes('subscribe')).map(([, subject]) => subject),
    listed('subscribe'),
  );
});

const PASSWORD = 'p4ssw0rd';

/** Runs `body` with a server of NATS that has the shipped file. */
async function withShipped(program: string, body: (server: NatsServer, url: string) => Promise<void>): Promise<void> {
  process.env['NATS_PASSWORD'] = PASSWORD;
  // The port comes from the command line, and so does the folder, which may not be named twice.
  const config = SHIPPED.replace(/^\s+store_dir: .*$/m, '');
  const server = await NatsServer.start({ program, config });
  try {
    await body(server, server.url.replace('//', `//sfu:${PASSWORD}@`));
  } finally {
    await server.stop();
  }
}

/** Returns what NATS says against publishing to a subject, or subscribing to it. */
async function objection(url: string, act: (connection: NatsConnection) => void): Promise<string> {
  const link = await openLink(url);
  try {
    const objected = (async () => {
      for await (const status of link.connection.status()) if (status.type === 'error') return String(status.error);
      return '';
    })();
    act(link.connection);
    await link.connection.flush();
    return await Promise.race([objected, link.connection.flush().then(() => 'none')]);
  } finally {
    await link.close();
  }
}

withEachNats(
  test,
  'the file is valid, and nobody gets in without the password',
  (program) =>
    withShipped(program, async (server) => {
      for (const user of ['', 'sfu:wrong@', 'other:p4ssw0rd@']) {
        match(await refusedLink(server.url.replace('//', `//${user}`)), 'refused', user);
      }
      const { NATS_PASSWORD: _, ...env } = process.env;
      const without = spawnSync(program, ['-t', '-c', FILE], { env, encoding: 'utf8' });
      ok(without.status !== 0 && /NATS_PASSWORD/.test(without.stderr), without.stderr);
    }),
  SECONDS,
);

withEachNats(
  test,
  'its user may publish and subscribe to nothing that is not the service’s',
  (program) =>
    withShipped(program, async (_, url) => {
      for (const subject of [
        'other',
        '_INBOX.x',
        '$KV.other.x',
        '$JS.API.STREAM.DELETE.KV_sfu_users',
        '$JS.API.STREAM.PURGE.KV_sfu_users',
        '$JS.API.STREAM.UPDATE.KV_sfu_users',
        '$JS.API.STREAM.CREATE.other',
        '$JS.API.STREAM.LIST',
        '$SYS.REQ.SERVER.PING',
      ]) {
        match(await objection(url, (connection) => connection.publish(subject)), /permission/i, subject);
      }
      for (const subject of ['>', 'other', '_INBOX.>', '$KV.sfu_users.>', '$SYS.>']) {
        match(await objection(url, (connection) => void connection.subscribe(subject)), /permission/i, subject);
      }
      is(await objection(url, (connection) => connection.publish('sfu.beat')), 'none');
    }),
  SECONDS,
);

withEachNats(
  test,
  'two instances do everything with its permissions: meet, place a user, follow each other’s changes, and clean up',
  (program) =>
    withShipped(program, async (nats, url) => {
      const [a, b] = await Promise.all(
        ['a', 'b'].map((id) => startServer({ NATS_URL: url, INSTANCE_ID: id, MEMBERSHIP_TIMEOUT_MS: '500' })),
      );
      const link = await openLink(url);
      try {
        const { streams } = await jetstreamManager(link.connection);
        const messages = async (): Promise<number> => (await streams.info('KV_sfu_users')).state.messages;
        const there = async (): Promise<boolean> =>
          (await request(`${b!.adminUrl}/conversations/room`)).body.text().then((text) => text.includes('"ann"'));
        const joined = await request(`${a!.url}/join/room`, { method: 'POST', headers: claimHeader('ann') });
        is(joined.statusCode, 200, await joined.body.text());
        await until('the other instance knows of it', there);
        // Nobody is connected, so the membership expires, and in the end nothing of it is left.
        await until('the bucket is empty', async () => (await messages()) === 0);
      } finally {
        await link.close();
        await Promise.all([a!.stop(), b!.stop()]);
      }
      equal(
        nats.lines.filter((line) => /violation/i.test(line)),
        [],
      );
    }),
  SECONDS,
);

test.run();
