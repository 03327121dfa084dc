/** Connections to a real NATS that are encrypted, or allowed little, or proved by credentials. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { equal, is, match, ok } from 'uvu/assert';
import { LinkError } from '../../src/main/cluster/bus.ts';
import { recordLog } from '../support/log-record.ts';
import { NatsServer, withEachNats } from '../support/nats.ts';
import { bytes, openLink, refusedLink } from '../support/nats-link.ts';
import { makeAuthority, makeOperator } from '../support/nats-secrets.ts';
import { temporaryFolder } from '../support/proxies.ts';
import { scenarios } from '../support/scenario.ts';
import { until } from '../support/waiting.ts';

const test = scenarios('link secrets');

withEachNats(
  test,
  'certificates of an authority that NATS_CA names are taken, for their names alone',
  async (program) => {
    const { ca, issue } = makeAuthority();
    const good = issue('good', 'DNS:localhost,IP:127.0.0.1');
    const other = issue('other', 'DNS:other.example.org');
    const local = issue('local', 'DNS:localhost');
    const tls = ({ cert, key }: typeof good, more = ''): string =>
      `tls { cert_file: "${cert}", key_file: "${key}" ${more} }`;
    const [nats, misnamed, byName] = [
      await NatsServer.start({ program, config: tls(good) }),
      await NatsServer.start({ program, config: tls(other) }),
      await NatsServer.start({ program, config: tls(local) }),
    ];
    for (const host of ['localhost', '127.0.0.1']) {
      for (const scheme of ['tls', 'nats']) {
        await (await openLink(`${scheme}://${host}:${nats.port}`, { NATS_CA: ca })).close();
      }
    }
    await (await openLink(`tls://localhost:${byName.port}`, { NATS_CA: ca })).close();
    for (const scheme of ['tls', 'nats']) {
      match(await refusedLink(`${scheme}://localhost:${nats.port}`), 'no encrypted connection to NATS at localhost:');
      match(
        await refusedLink(`${scheme}://localhost:${misnamed.port}`, { NATS_CA: ca }),
        'no encrypted connection to NATS at localhost:',
      );
      match(
        await refusedLink(`${scheme}://127.0.0.1:${byName.port}`, { NATS_CA: ca }),
        'no encrypted connection to NATS at 127.0.0.1:',
      );
    }
    is(
      await refusedLink(nats.url, { NATS_CA: '/nowhere/ca' }),
      'NATS_CA is a file that cannot be read (ENOENT): /nowhere/ca',
    );
    await Promise.all([nats.stop(), misnamed.stop(), byName.stop()]);
  },
);

withEachNats(test, 'a NATS that asks for a certificate gets that of NATS_CERT', async (program) => {
  const { ca, issue } = makeAuthority();
  const [server, client] = [issue('server', 'DNS:localhost'), issue('client', 'DNS:client')];
  const config = `tls { cert_file: "${server.cert}", key_file: "${server.key}", ca_file: "${ca}", verify: true }`;
  const nats = await NatsServer.start({ program, config });
  const url = `tls://localhost:${nats.port}`;
  const link = await openLink(url, { NATS_CA: ca, NATS_CERT: client.cert, NATS_KEY: client.key });
  await link.flush(1000);
  await link.close();
  match(await refusedLink(url, { NATS_CA: ca }), ' without NATS_CERT (timeout): check NATS_URL');
  await nats.stop();
});

withEachNats(test, 'credentials are read anew at each connection, and the last good ones stay', async (program) => {
  const operator = makeOperator();
  const nats = await NatsServer.start({ program, config: operator.config, jetstream: false });
  const NATS_CREDS = join(temporaryFolder('creds'), 'creds');
  writeFileSync(NATS_CREDS, operator.credentials());
  const link = await openLink(nats.url, { NATS_CREDS });
  for (const content of [operator.credentials(), 'broken']) {
    const back = new Promise<void>((resolve) => void link.watch((connected) => connected && resolve()));
    writeFileSync(NATS_CREDS, content);
    await nats.kill();
    await nats.restart();
    await back;
    await link.flush(2000);
  }
  await link.close();
  match(await refusedLink(nats.url, { NATS_CREDS }), /^NATS_CREDS is no file of credentials \(/);
  writeFileSync(NATS_CREDS, makeOperator().credentials());
  match(
    await refusedLink(nats.url, { NATS_CREDS }),
    'refused the credentials (authorization violation): check NATS_CREDS',
  );
  match(await refusedLink(nats.url), 'refused a connection without user (authorization violation): check NATS_URL');
  await nats.stop();
});

withEachNats(test, 'credentials that expire cut the link, which comes back with newer ones', async (program) => {
  const operator = makeOperator();
  const nats = await NatsServer.start({ program, config: operator.config, jetstream: false });
  const NATS_CREDS = join(temporaryFolder('creds'), 'creds');
  writeFileSync(NATS_CREDS, operator.credentials(2));
  const link = await openLink(nats.url, { NATS_CREDS });
  await until('it is cut', () => !link.connected);
  writeFileSync(NATS_CREDS, operator.credentials());
  await until('it is back', () => link.connected);
  await link.flush(1000);
  await link.close();
  await nats.stop();
});

withEachNats(
  test,
  'a password that was changed at NATS is refused for ever, until it is right again',
  async (program) => {
    const user = (password: string): string => `authorization { user: ann, password: "${password}" }`;
    const nats = await NatsServer.start({ program, config: user('right') });
    const { log, lines } = recordLog();
    const link = await openLink(`nats://ann:right@127.0.0.1:${nats.port}`, {}, log);
    nats.configure(user('wrong'));
    await nats.kill();
    await nats.restart();
    await until(
      'it was refused three times',
      () => nats.lines.filter((line) => /authentication error/i.test(line)).length > 2,
    );
    is(link.connected, false);
    nats.configure(user('right'));
    await nats.kill();
    await nats.restart();
    await until('it is back', () => link.connected);
    ok(lines.some(({ level, msg }) => level === 50 && msg === 'NATS refused'));
    ok(!JSON.stringify(lines).includes('right'));
    await link.close();
    await nats.stop();
  },
);

withEachNats(
  test,
  'what permissions forbid is named, and asked for again after the next connection',
  async (program) => {
    const user = (allowed: string): string =>
      `authorization { users: [{ user: ann, password: p, permissions: { subscribe: [${allowed}], publish: ["sfu.>"] } }] }`;
    const nats = await NatsServer.start({ program, config: user('"sfu.inbox.>"') });
    const url = `nats://ann:p@127.0.0.1:${nats.port}`;
    const { log, lines } = recordLog();
    const [link, other] = [await openLink(url, {}, log), await openLink(url)];
    const heard: string[] = [];
    link.subscribe('sfu.a', () => void heard.push('a'));
    const closed = link.subscribe('sfu.b', () => void heard.push('b'));
    await link.flush(1000);
    equal(link.refused, ['sfu.a', 'sfu.b']);
    closed.close();
    equal(link.refused, ['sfu.a']);
    link.publish('elsewhere.a', bytes(''));
    link.publish('elsewhere.a', bytes(''));
    await link.flush(1000);
    const refusals = lines.filter(({ msg }) => msg === 'NATS refused').map(({ err }) => String(err).toLowerCase());
    equal(
      refusals.map((err) => /to "?([\w.]+)/.exec(err)?.[1]),
      ['sfu.a', 'sfu.b', 'elsewhere.a'],
    );
    await link.request('elsewhere.ask', bytes(''), 500).then(
      () => ok(false),
      (error) => ok(error instanceof LinkError),
    );
    nats.configure(user('"sfu.>"'));
    await nats.kill();
    await nats.restart();
    await until('both are back', () => link.reconnections > 0 && other.reconnections > 0);
    await link.flush(1000);
    equal(link.refused, []);
    other.publish('sfu.a', bytes(''));
    other.publish('sfu.b', bytes(''));
    await until('it is heard', () => heard.length > 0);
    equal(heard, ['a']);
    await Promise.all([link.close(), other.close()]);
    await nats.stop();
  },
);

test.run();
