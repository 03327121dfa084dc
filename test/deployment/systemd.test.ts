/** The units in `deploy/systemd/`: systemd accepts them, and the server their environment. */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { equal, is, match, ok } from 'uvu/assert';
import { type Config, DEFAULTS, readConfig } from '../../src/main/config.ts';
import { findProgram } from '../support/child.ts';
import { temporaryFolder } from '../support/proxies.ts';
import { scenarios } from '../support/scenario.ts';

const test = scenarios('systemd');
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const UNITS = join(ROOT, 'deploy/systemd');
const ONE = 'backend-webrtc.service';
const SEVERAL = 'backend-webrtc@.service';
const NATS = 'nats-server.service.d/backend-webrtc.conf';
const read = (file: string): string => readFileSync(join(UNITS, file), 'utf8');

/** Returns a unit's settings without their sections; a setting may come several times. */
function settings(file: string): readonly (readonly [name: string, value: string])[] {
  const lines = read(file).split('\n');
  return lines
    .filter((line) => /^\w+=/.test(line))
    .map((line) => /^(\w+)=(.*)$/.exec(line)!.slice(1) as [string, string]);
}
const all = (file: string, name: string): string[] =>
  settings(file)
    .filter(([one]) => one === name)
    .map(([, value]) => value);

/** Returns variables as in `A=1 B=2`, or one on each line. */
function variables(text: string): Record<string, string> {
  return Object.fromEntries([...text.matchAll(/(?:^|\s)(\w+)=(\S*)/gm)].map(([, name, value]) => [name!, value!]));
}

/** Returns the environment that an instance has. @param number what stands between @ and .service. */
function environment(file: string, number: string): Record<string, string> {
  const own = all(file, 'Environment').join('\n').replaceAll('%i', number).replaceAll('%H', 'host');
  const shared = read('env.example').replaceAll(/^#.*$/gm, '');
  return { ...variables(own), ...variables(shared) };
}

function configuration(file: string, number = ''): Config {
  const { NODE_ENV: _, ...given } = environment(file, number);
  for (const name of Object.keys(given)) ok(name in DEFAULTS, name);
  return readConfig(given);
}

/** Returns the ports that an instance takes. */
function ports({ LISTEN, ADMIN_LISTEN, MEDIA_PORTS }: Config): number[] {
  return [LISTEN.port, ADMIN_LISTEN!.port, ...MEDIA_PORTS];
}

test('the server accepts the environment of each unit, and each has time to drain', () => {
  for (const [file, config] of [
    [ONE, configuration(ONE)],
    [SEVERAL, configuration(SEVERAL, '01')],
  ] as const) {
    const [seconds] = all(file, 'TimeoutStopSec');
    ok(Number(seconds) * 1000 > config.DRAIN_TIMEOUT_MS + config.SHUTDOWN_TIMEOUT_MS, file);
    is(config.LISTEN.host, '127.0.0.1', 'only a proxy on this machine reaches it');
    is(config.ADMIN_LISTEN!.host, '127.0.0.1');
  }
});

test('what a unit sets itself is not in the shared file, which would win', () => {
  const shared = variables(read('env.example').replaceAll(/^#.*$/gm, ''));
  for (const file of [ONE, SEVERAL]) {
    for (const name of Object.keys(variables(all(file, 'Environment').join('\n')))) ok(!(name in shared), name);
  }
});

test('79 instances, a single one and the guide’s other services have ports and ids of their own', () => {
  const numbers = Array.from({ length: 79 }, (_, i) => String(i + 1).padStart(2, '0'));
  const configs = [configuration(ONE), ...numbers.map((number) => configuration(SEVERAL, number))];
  const taken = [80, 4222, 8090, ...configs.flatMap(ports)];
  is(new Set(taken).size, taken.length);
  is(new Set(configs.map(({ INSTANCE_ID }) => INSTANCE_ID)).size, configs.length);
});

test('both units are the same but for the ports, and as tight as each other and as that of NATS', () => {
  const differing = /^(Description|Environment|EnvironmentFile)$/;
  const rest = (file: string): unknown => settings(file).filter(([name]) => !differing.test(name));
  equal(rest(ONE), rest(SEVERAL));
  for (const file of [ONE, NATS]) {
    const only = (name: string): string | undefined => all(file, name).at(-1);
    for (const name of ['NoNewPrivileges', 'ProtectHome', 'PrivateDevices', 'ProtectKernelTunables'])
      is(only(name), 'yes');
    is(only('ProtectSystem'), 'strict');
    is(only('CapabilityBoundingSet'), '');
    is(only('SystemCallFilter'), '@system-service');
    match(only('MemoryMax')!, /^\d+[MG]$/);
    ok(Number(only('LimitNOFILE')) >= 65_536);
  }
  for (const file of [ONE, SEVERAL]) {
    equal(all(file, 'User'), ['backend-webrtc']);
    ok(!settings(file).some(([name]) => name === 'StateDirectory' || name === 'ReadWritePaths'));
  }
});

test('NATS gets the shipped file, and may write where this says', () => {
  match(
    all(NATS, 'ExecStart').at(-1)!,
    /^\/usr\/sbin\/nats-server -c \/etc\/backend-webrtc\/nats\.conf -a 127\.0\.0\.1$/,
  );
  const store = /^\s+store_dir: (\S+)$/m.exec(readFileSync(join(ROOT, 'deploy/nats/nats.conf'), 'utf8'))![1];
  is(store, `/var/lib/${all(NATS, 'StateDirectory')[0]}`);
});

test('the guide installs files that exist, and everything that a unit names', () => {
  const guide = readFileSync(join(ROOT, 'deploy/README.md'), 'utf8');
  const section = guide.slice(guide.indexOf('## Without containers'), guide.indexOf('## Monitoring'));
  for (const [path] of section.matchAll(/\bdeploy\/[\w./@-]*\w/g)) ok(existsSync(join(ROOT, path)), path);
  for (const file of [ONE, SEVERAL, NATS]) {
    for (const path of [...all(file, 'EnvironmentFile'), ...all(file, 'WorkingDirectory')]) {
      if (!path.startsWith('-')) ok(section.includes(path), path);
    }
  }
  const [program, script] = all(ONE, 'ExecStart')[0]!.split(' ');
  is(program, '/usr/bin/node');
  ok(existsSync(join(ROOT, script!)));
});

/** Runs systemd's own check on copies of the units, with the users and programs that they name left out. */
function verify(units: Record<string, string>): { status: number | null; text: string } {
  const folder = temporaryFolder('units');
  for (const [name, text] of Object.entries(units)) {
    // This machine may lack nats-server, node's place and the user.
    const here = text
      .replaceAll(/^ExecStart=\/\S+/gm, `ExecStart=${process.execPath}`)
      .replaceAll(/^(User|Group)=.*/gm, '');
    writeFileSync(join(folder, name), here);
  }
  cpSync(join(UNITS, 'nats-server.service.d'), join(folder, 'nats-server.service.d'), { recursive: true });
  mkdirSync(join(folder, 'coturn.service.d'));
  const coturn = read('coturn.service.d/backend-webrtc.conf').replace(
    /^ExecStart=\/opt\S+/m,
    `ExecStart=${process.execPath}`,
  );
  writeFileSync(join(folder, 'coturn.service.d/backend-webrtc.conf'), coturn);
  const names = Object.keys(units).map((name) => join(folder, name.replace('@.', '@01.')));
  const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', ...names], { encoding: 'utf8' });
  return { status, text: `${stdout}${stderr}` };
}

const title = 'systemd accepts the units without a complaint';
if (findProgram('systemd-analyze') === undefined) test.skip(title, 'systemd-analyze is not installed');
else {
  test(title, () => {
    const nats = '[Service]\nExecStart=/usr/sbin/nats-server -c /etc/nats-server.conf\n';
    const coturn = '[Service]\nExecStart=/usr/bin/turnserver -c /etc/turnserver.conf --pidfile=\n';
    const theirs = { 'nats-server.service': nats, 'coturn.service': coturn };
    const good = verify({ [ONE]: read(ONE), [SEVERAL]: read(SEVERAL), ...theirs });
    const complaints = good.text.split('\n').filter((line) => /backend-webrtc|nats-server|coturn/.test(line));
    equal(complaints, []);
    is(good.status, 0, good.text);
    match(verify({ [ONE]: read(ONE).replace('MemoryMax=', 'MemoryMost=') }).text, 'MemoryMost');
  });
}

test.run();
