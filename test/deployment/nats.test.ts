/** `deploy/nats/nats.conf` on real servers: its user may do what the service does, and nothing else. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { NatsConnection } from '@nats-io/transport-node';
import { equal, is, match, ok } from 'uvu/assert';
import { NatsServer, withEachNats } from '../support/nats.ts';
import { openLink, refusedLink } from '../support/nats-link.ts';
import { scenarios } from '../support/scenario.ts';

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

test.run();
