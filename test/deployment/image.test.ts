/**
 * The image, as far as it can be built and run without an engine: the test carries out every instruction of the
 * Dockerfile.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { equal, is, match, ok, throws } from 'uvu/assert';
import { DEFAULTS } from '../../src/main/config.ts';
import { type Child, freeTcpPort, startChild } from '../support/child.ts';
import { build, filesOf, readDockerfile, readDockerignore, type Stage } from '../support/dockerfile.ts';
import { temporaryFolder } from '../support/proxies.ts';
import { scenarios } from '../support/scenario.ts';
import { freeUdpPort } from '../support/server.ts';
import { HANG_MS, pause } from '../support/waiting.ts';

const test = scenarios('image');
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const DOCKERFILE = readFileSync(join(ROOT, 'deploy/Dockerfile'), 'utf8');
/** Time for two `npm ci` and a compiler on a busy machine, seconds. */
const SECONDS = 180;
/** The id of the user `node` in the official images. */
const NODE_UID = 1000;

let built: Stage[] | undefined;
function stages(): Stage[] {
  if (built === undefined) {
    const folder = temporaryFolder('image');
    chmodSync(folder, 0o755);
    built = build(readDockerfile(DOCKERFILE), { context: ROOT, folder, timeout: 2 * HANG_MS });
  }
  return built;
}
const image = (): Stage => stages().at(-1)!;

test('the reader refuses instructions that it does not know, so that nothing is skipped', () => {
  const options = { context: ROOT, folder: temporaryFolder('image'), timeout: 1000 };
  for (const line of ['ADD a b', 'VOLUME /x', 'COPY --chown=node:node package.json ./', 'CMD node x', 'COPY .env ./']) {
    throws(() => build(readDockerfile(`FROM x AS s${line.length}\n${line}\n`), options), undefined, line);
  }
});

test('the context has the sources and nothing else: no secret, no test, nothing of git', () => {
  const allows = readDockerignore(readFileSync(join(ROOT, '.dockerignore'), 'utf8'));
  const tracked = execFileSync('git', ['ls-files'], { cwd: ROOT, encoding: 'utf8' }).trim().split('\n');
  const allowed = tracked.filter(allows);
  for (const path of allowed) match(path, /^(src\/|(package|package-lock|tsconfig)\.json$)/);
  const secrets = ['.env', '.git/config', '.npmrc', 'deploy/.env', 'deploy/backend-auth/keys/private.pem', 'id_rsa'];
  for (const path of [...secrets, 'node_modules/x', 'dist/x', 'test/x', 'src.pem']) ok(!allows(path), path);
  ok(allowed.length > 20);
});

test(
  'all stages build from the context, on an LTS line of Node that the package allows',
  () => {
    for (const { base } of stages()) {
      // The tag has no release and no Debian version, because the publisher decides for which of them there are images.
      const [, major] = /^node:(\d+)-slim$/.exec(base) ?? [];
      ok(Number(major) % 2 === 0, `${base} is no LTS line`);
      const { engines } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
      ok(Number(major) >= Number(/\d+/.exec(engines.node)![0]));
    }
  },
  SECONDS,
);

test('the image holds only what runs: no compiler, no source, no test, and nothing that its user may write', () => {
  const app = join(image().root, 'app');
  const files = filesOf(app);
  for (const path of files) match(path, /^(package\.json|dist\/src\/|node_modules\/)/);
  for (const path of files) ok(!/\.d\.[cm]?ts$|\.map$|\.pem$|(^|\/)\.env/.test(path), path);
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const there = (name: string): boolean => files.some((path) => path.startsWith(`node_modules/${name}/`));
  for (const name of Object.keys(dependencies)) ok(there(name), name);
  for (const name of Object.keys(devDependencies)) ok(!there(name), name);
  let bytes = 0;
  for (const path of files) {
    const { mode, size } = statSync(join(app, path));
    // In the image everything belongs to root and its group, so the group's rights on the building machine do not
    // matter.
    is(mode & 0o002, 0, path);
    bytes += size;
  }
  // The base image's own layers come in addition.
  ok(bytes < 45e6, `${bytes} bytes`);
  console.log(`image: ${(bytes / 1e6).toFixed(1)} MB in ${files.length} files over node's own layers`);
});

test('ports, user, signal and variables are those of the README', () => {
  const { env, exposed, user, stopSignal, command } = image();
  equal(env, { NODE_ENV: 'production', LISTEN: ':8080' });
  equal(exposed, ['8080/tcp', `${DEFAULTS['MEDIA_PORTS']}/udp`]);
  is(user, 'node');
  is(stopSignal, 'SIGTERM');
  is(command[0], 'node', 'not npm, not a shell');
});

/** Adds a scenario that needs process namespaces, which are not available everywhere. */
function hindrance(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root makes process namespaces';
  const tried = spawnSync('unshare', ['--pid', '--fork', '--mount-proc', 'setpriv', `--reuid=${NODE_UID}`, 'true']);
  return tried.status === 0 ? undefined : 'unshare and setpriv do not work here';
}

interface Container {
  readonly child: Child;
  /** Id, outside of the namespace, of the process that is process 1 inside. */
  readonly pid: number;
  readonly env: Record<string, string>;
  readonly listening: string;
}

/** Runs the image's command as its user and as process 1. */
async function run(command: readonly string[]): Promise<Container> {
  const { root, workdir, env: fixed } = image();
  const env = {
    PATH: process.env['PATH'] ?? '',
    ...fixed,
    LISTEN: '127.0.0.1:0',
    ADMIN_LISTEN: `127.0.0.1:${await freeTcpPort()}`,
    MEDIA_BIND: '127.0.0.1',
    MEDIA_PORTS: String(await freeUdpPort()),
  };
  const user = ['setpriv', `--reuid=${NODE_UID}`, `--regid=${NODE_UID}`, '--clear-groups', '--no-new-privs'];
  const args = ['--pid', '--fork', '--mount-proc', '--kill-child', ...user, '--bounding-set=-all', '--', ...command];
  const child = startChild('unshare', args, { cwd: join(root, workdir), env });
  const listening = await child.said('"listening"');
  const pid = Number(readFileSync(`/proc/${child.process.pid}/task/${child.process.pid}/children`, 'utf8'));
  return { child, pid, env, listening };
}

function containerScenario(name: string, body: () => Promise<void>): void {
  const why = hindrance();
  if (why === undefined) test(name, body, SECONDS);
  else test.skip(name, why);
}

containerScenario(
  'as process 1, without root and without any capability, it starts, and ends at the signal',
  async () => {
    const { child, pid, listening } = await run(image().command);
    match(listening, '"port":');
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    match(status, new RegExp(`^Uid:\\s+${NODE_UID}\\s+${NODE_UID}`, 'm'));
    match(status, /^NSpid:\s+\d+\s+1$/m);
    match(status, /^CapEff:\s+0+$/m);
    const begun = performance.now();
    process.kill(pid, image().stopSignal as NodeJS.Signals);
    is(await child.exited, 0, child.lines.join('\n'));
    ok(performance.now() - begun < 10_000, 'an engine kills after ten seconds unless told otherwise');
  },
);

containerScenario('the health check says yes to a server that runs and no where none does', async () => {
  const { root, workdir, health } = image();
  const cwd = join(root, workdir);
  const [program = '', ...args] = health!.command;
  is(health!.options['timeout'], '5s');
  const { child, pid, env } = await run(image().command);
  const ask = (): ReturnType<typeof spawnSync> =>
    spawnSync(program, args, { cwd, env, timeout: HANG_MS, uid: NODE_UID });
  is(ask().status, 0);
  process.kill(pid, 'SIGTERM');
  await child.exited;
  is(ask().status, 1);
});

containerScenario('a shell in between would keep the signal to itself: the check above can fail', async () => {
  const { child, pid } = await run(['sh', '-c', `${image().command.join(' ')}; true`]);
  process.kill(pid, 'SIGTERM');
  const ended = child.exited.then(() => 'ended');
  // Nothing is to happen within a second, and no event says so.
  is(await Promise.race([ended, pause(1000, 'still there')]), 'still there');
  // The end of process 1 ends all processes in its namespace; `unshare` would leave it behind, because its user has
  // changed.
  process.kill(pid, 'SIGKILL');
  await child.exited;
});

test.run();
