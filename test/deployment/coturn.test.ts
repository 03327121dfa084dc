/** The files of coturn agree with each other, with the service's and with their guide, and with what Linux does. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { equal, is, match, ok } from 'uvu/assert';
import * as v from 'valibot';
import { parse } from 'yaml';
import { DEFAULTS, readConfig } from '../../src/main/config.ts';
import { readTurnUrls } from '../../src/main/turn-urls.ts';
import { startChild } from '../support/child.ts';
import { Coturn, hasTools, TURN_SECRET, withoutTools } from '../support/coturn.ts';
import { Compose } from '../support/deployment.ts';
import { Beyond, inNamespace, namespacesWork, OUTSIDE, runInNamespace } from '../support/namespace.ts';
import { scenarios } from '../support/scenario.ts';
import { TurnClient, turnCredentials } from '../support/turn-client.ts';
import { until } from '../support/waiting.ts';

const test = scenarios('coturn');
const DEPLOY = new URL('../../../deploy/', import.meta.url);
const read = (file: string): string => readFileSync(new URL(file, DEPLOY), 'utf8');

const conf = read('coturn/turnserver.conf');
const nft = read('coturn/turn.nft');
const start = read('coturn/start.sh');
const dropIn = read('systemd/coturn.service.d/backend-webrtc.conf');
const guide = read('README.md');
const compose = v.parse(Compose, parse(read('compose.yaml'), { merge: true }));
const service = compose.services['coturn']!;

/** Returns the values of an option of turnserver.conf. */
function option(name: string): string[] {
  return [...conf.matchAll(new RegExp(`^${name}(?:=(.*))?$`, 'gm'))].map(([, value]) => value ?? '');
}

/** Returns variables as in `A=1`, without comments. */
function variables(text: string): string[] {
  return [...text.matchAll(/^([A-Z_]+)=/gm)].map(([, name]) => name!);
}

test('a relay leads to the media ports’ addresses alone, by UDP, and every user has a bound', () => {
  equal(option('denied-peer-ip'), ['0.0.0.0-255.255.255.255', '::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff']);
  equal(option('allowed-peer-ip'), [], 'those are of the host');
  for (const name of ['use-auth-secret', 'no-tcp-relay', 'no-multicast-peers', 'no-stun', 'no-cli', 'no-dtls']) {
    equal(option(name), [''], name);
  }
  for (const name of ['static-auth-secret', 'user', 'lt-cred-mech', 'no-auth', 'allow-loopback-peers', 'prometheus']) {
    equal(option(name), [], name);
  }
  const [least, most] = [Number(option('min-port')), Number(option('max-port'))];
  is(Number(option('total-quota')), most - least + 1, 'a port for each');
  const clients = Number(DEFAULTS['MAX_CONNECTIONS_PER_USER']);
  const urls = [...guide.matchAll(/^\| `(turns?:turn\.example\.org\S+)` \|/gm)].length;
  is(urls, 3);
  ok(Number(option('user-quota')) >= clients * urls * 2, 'all clients of a user, twice while they connect anew');
});

test('ports: the firewall’s are coturn’s and the service’s, and no process gets one of the relays’ by chance', () => {
  const relays = `${option('min-port')}-${option('max-port')}`;
  match(nft, new RegExp(`^\\tdefine relay_ports = ${relays}$`, 'm'));
  ok(Number(option('min-port')) > 60_999, 'net.ipv4.ip_local_port_range ends before');
  const media = /^\tdefine media_ports = (\d+)-(\d+)$/m.exec(nft)!;
  is(/^\tdefine media_ports = (.+)$/m.exec(read('firewall.nft'))![1], `${media[1]}-${media[2]}`);
  for (const { environment } of Object.values(compose.services)) {
    const ports = environment['MEDIA_PORTS'];
    if (ports === undefined) continue;
    for (const port of readConfig({ MEDIA_PORTS: ports }).MEDIA_PORTS) {
      ok(port >= Number(media[1]) && port <= Number(media[2]), String(port));
    }
  }
  equal(option('listening-port'), ['3478']);
  match(nft, /udp dport 443 redirect to :3478$/m);
  match(nft, new RegExp(`tcp dport 443 redirect to :${option('tls-listening-port')}$`, 'm'));
  for (const port of ['3478', ...option('tls-listening-port'), relays]) ok(guide.includes(port), port);
});

test('compose starts it as the guide says, with what start.sh reads, and Prometheus scrapes it', () => {
  is(service.network_mode, 'host');
  equal(service.profiles, ['turn']);
  equal(service.entrypoint, ['sh', '/etc/coturn/start.sh']);
  ok(service.volumes.includes('./coturn:/etc/coturn:ro'));
  const needed = [...start.matchAll(/^# {3}([A-Z_]+) /gm)].map(([, name]) => name!);
  equal(needed, ['TURN_SECRET', 'TURN_REALM', 'ANNOUNCED_ADDRESS', 'TURN_CERT']);
  equal(Object.keys(service.environment), [...needed, 'TURN_KEY']);
  equal(variables(read('coturn/env.example')), [...needed, 'TURN_KEY']);
  for (const [name, { environment }] of Object.entries(compose.services)) {
    if (!name.startsWith('backend-webrtc-')) continue;
    is(environment['TURN_SECRET'], service.environment['TURN_SECRET'], name);
    match(environment['TURN_URLS']!, /^\$\{TURN_URLS-\}$/, name);
  }
  const { gateway } = compose.networks['monitoring']!.ipam!.config[0]!;
  equal(service.command, ['--prometheus', `--prometheus-address=${gateway}`]);
  match(read('prometheus.yaml'), `- targets: ["${gateway}:9641"]`);
});

test('the unit reads the file that the guide installs, and is as tight as the others', () => {
  const section = guide.slice(guide.indexOf('## Without containers'), guide.indexOf('## Monitoring'));
  for (const path of ['deploy/coturn', 'deploy/systemd/coturn.service.d', '/etc/backend-webrtc/turn'])
    ok(section.includes(path), path);
  match(dropIn, /^EnvironmentFile=\/etc\/backend-webrtc\/turn$/m);
  match(dropIn, /^ExecStart=\nExecStart=\/opt\/backend-webrtc\/coturn\/start\.sh$/m);
  const tight = (text: string): string[] =>
    text.match(/^(No|Protect|Private|Restrict|Lock|System|Capab)\w+=.*$/gm)!.sort();
  const instance = tight(read('systemd/backend-webrtc.service'));
  for (const line of instance) ok(tight(dropIn).includes(line), line);
});

test('the URLs of the guide are good, and one of each kind', () => {
  const urls = [...guide.matchAll(/^\| `(turns?:turn\.example\.org\S+)` \|/gm)].map(([, url]) => url!);
  ok(readTurnUrls(urls.join(',')) !== undefined, urls.join());
  equal(urls, [
    'turn:turn.example.org:3478?transport=udp',
    'turn:turn.example.org:443?transport=udp',
    'turns:turn.example.org:443?transport=tcp',
  ]);
});

const RELAYED = 'with turn.nft a relay reaches media ports and nothing else, and 443/UDP leads to coturn';
const TOOLS = ['turnserver', 'nft', 'ip'];
if (!hasTools(...TOOLS)) withoutTools(test, RELAYED, ...TOOLS);
else if (!namespacesWork()) test.skip(RELAYED, 'no network namespace can be made here');
else if (inNamespace()) test(RELAYED, relaysToMediaPorts);
else await runInNamespace();

/** Prints the port of each packet that comes to one of these ports of an address. */
const LISTENER = `const [address, ...ports] = process.argv.slice(1);
let left = ports.length;
for (const port of ports) {
  require('node:dgram').createSocket('udp4').on('message', () => console.log(port))
    .bind(Number(port), address, () => --left === 0 && console.log('listening'));
}`;

/** Returns how many packets of relays were dropped. */
function dropped(host: Beyond): number {
  return Number(/packets (\d+)/.exec(host.run('nft', 'list', 'counter', 'inet', 'turn', 'relayed_elsewhere'))![1]);
}

/** With the files as they are: the namespace has all ports to itself. */
async function relaysToMediaPorts(): Promise<void> {
  const host = Beyond.make();
  for (const file of ['firewall.nft', 'coturn/turn.nft']) {
    host.run('nft', '-f', fileURLToPath(new URL(file, DEPLOY)));
  }
  const relays = [`--min-port=${option('min-port')}`, `--max-port=${option('max-port')}`];
  const coturn = await Coturn.start({ address: OUTSIDE, peers: OUTSIDE, port: 3478, more: relays, by: host.by });
  const media = [40_000, 40_999];
  const elsewhere = [53, 39_999, 41_000, 9641];
  const ports = [...elsewhere, ...media];
  const [program, ...args] = [...host.by, process.execPath, '-e', LISTENER, OUTSIDE, ...ports.map(String)];
  const listener = startChild(program!, args);
  await listener.said('listening');
  const expiry = Math.floor(Date.now() / 1000) + 600;
  const relay = async (by: number): Promise<TurnClient> => {
    const client = await TurnClient.open({ address: OUTSIDE, port: by }, turnCredentials(TURN_SECRET, expiry));
    is(await client.allocate(), 0, `over ${by}`);
    is(await client.permit(OUTSIDE), 0);
    return client;
  };
  // coturn gives a relay up whose packet the kernel refuses, so each of these has one of its own.
  for (const [i, port] of elsewhere.entries()) {
    const client = await relay(3478);
    await until('the packet is dropped', () => {
      client.send({ address: OUTSIDE, port }, Buffer.from('hello'));
      return dropped(host) > i;
    });
    client.close();
  }
  for (const by of [3478, 443]) {
    const client = await relay(by);
    const before = listener.lines.length;
    await until('the relay reaches the media ports', () => {
      for (const port of media) client.send({ address: OUTSIDE, port }, Buffer.from('hello'));
      return media.every((port) => listener.lines.slice(before).includes(String(port)));
    });
    client.close();
  }
  equal([...new Set(listener.lines)].sort(), [...media.map(String), 'listening']);
  await Promise.all([listener.stop('SIGKILL'), coturn.stop()]);
  host.close();
}

test.run();
