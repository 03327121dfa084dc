/** A shutdown ends even if the main thread is blocked. */
import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { is, match, ok } from 'uvu/assert';
import { scenarios } from '../support/scenario.ts';
import { startServer } from '../support/server.ts';

const test = scenarios('watchdog');
const TIMEOUT_MS = 2000;
/** Time to start a thread and end the process on a busy machine, milliseconds. */
const SLACK_MS = 3000;
const preload = (block: string): URL => new URL(`../support/block.js?${block}`, import.meta.url);

for (const block of ['loop', 'native', 'pipe'] as const) {
  test(`a main thread that stands still at the signal (${block}) does not keep the process from ending`, async () => {
    const server = await startServer({ SHUTDOWN_TIMEOUT_MS: String(TIMEOUT_MS) }, preload(block));
    if (block === 'pipe') server.process.stdout!.pause();
    const begun = performance.now();
    is(await server.stop(), 1);
    const taken = performance.now() - begun;
    ok(taken > TIMEOUT_MS - 300 && taken < TIMEOUT_MS + SLACK_MS, `${Math.round(taken)} ms`);
    if (block !== 'pipe') match(server.logs.at(-1)!, /"level":50.*"msg":"not closed in time"/);
  }, 30);
}

const namespaces = spawnSync('unshare', ['-n', 'ip', 'link', 'set', 'lo', 'up']).status === 0;
const MAIN = fileURLToPath(new URL('../../src/main/main.js', import.meta.url));
const ONE_CLIENT = fileURLToPath(new URL('../support/one-client.js', import.meta.url));
const GONE = { 'the address': 'ip addr del 10.9.9.9/32 dev lo', 'the interface': 'ip link set lo down' };

for (const [what, command] of Object.entries(GONE)) {
  for (const talks of [false, true]) {
    const scenario = `where ${what} that media is bound to is gone${talks ? ', under a client that talks' : ''}, the process ends in time`;
    if (namespaces) test(scenario, () => endsWithout(command, talks), 30);
    else test.skip(scenario, 'no network namespace can be made here');
  }
}

/** Ends a server in a network namespace, after a command there has removed what media needs. */
async function endsWithout(command: string, talks: boolean): Promise<void> {
  const client = `"$0" "$2" http://127.0.0.1:80 ann 0 1 0 & client=$!; read line`;
  const script = `ip link set lo up; ip addr add 10.9.9.9/32 dev lo; "$0" "$1" & server=$!; read line; ${talks ? client : ''}
    ${command}; kill -TERM $server; wait $server; code=$?; ${talks ? 'kill -KILL $client' : ':'}; exit $code`;
  const child = spawn('unshare', ['-n', 'bash', '-c', script, process.execPath, MAIN, ONE_CLIENT], {
    env: {
      ...process.env,
      LISTEN: '127.0.0.1:80',
      ADMIN_LISTEN: '',
      MEDIA_BIND: '10.9.9.9',
      MEDIA_PORTS: '40000-40003',
      WORKERS: '1',
      DRAIN_TIMEOUT_MS: '0',
      SHUTDOWN_TIMEOUT_MS: String(TIMEOUT_MS),
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let logs = '';
  let look: () => void = () => undefined;
  child.stdout.on('data', (chunk) => {
    logs += chunk;
    look();
  });
  const logged = (text: string): Promise<void> =>
    new Promise((resolve) => {
      look = () => logs.includes(text) && resolve();
      look();
    });
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  await logged('"listening"');
  child.stdin.write('now\n');
  if (talks) {
    await logged('"connection established"');
    child.stdin.write('now\n');
  }
  const begun = performance.now();
  const code = await exited;
  const taken = performance.now() - begun;
  ok(taken < TIMEOUT_MS + SLACK_MS, `${Math.round(taken)} ms\n${logs}`);
  // The library may still process its own wake-up; after that everything is closed.
  ok(code === 1 || (code === 0 && logs.includes('"stopped"')), `${code}\n${logs}`);
}

test.run();
