/** Network namespaces of a test's own: two sides of a firewall, in which nothing of the machine's network is there. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type Child, startChild } from './child.ts';

const MAIN = fileURLToPath(new URL('../../src/main/main.js', import.meta.url));
const MARK = 'TEST_NAMESPACE';
/** Addresses of the two sides. */
export const INSIDE = '10.77.0.2';
export const OUTSIDE = '10.77.0.1';

/** Whether this process is in a namespace of its own. */
export function inNamespace(): boolean {
  return process.env[MARK] === '1';
}

/** Whether namespaces can be made here, which takes root, and whether their packets can be filtered. */
export function namespacesWork(): boolean {
  const tried =
    'ip link set lo up && ip link add name one type veth peer name two && iptables -A OUTPUT -p udp -j DROP';
  return spawnSync('unshare', ['--net', 'sh', '-c', tried]).status === 0;
}

/** Runs this test file again in a namespace of its own, passes on what it reports, and ends with its exit code. */
export async function runInNamespace(): Promise<never> {
  const command = 'ip link set lo up && exec "$@"';
  const again = ['--net', 'sh', '-c', command, 'sh', process.execPath, ...process.argv.slice(1)];
  const stdio = ['ignore', 'inherit', 'inherit', ...(process.send === undefined ? [] : (['ipc'] as const))] as const;
  const child = spawn('unshare', again, { stdio: [...stdio], env: { ...process.env, [MARK]: '1' } });
  process.once('exit', () => child.kill('SIGKILL'));
  let passed: Promise<void> = Promise.resolve();
  child.on('message', (message) => {
    passed = new Promise((resolve) => process.send!(message, () => resolve()));
  });
  const code = await new Promise<number | null>((resolve) => child.once('exit', resolve));
  await passed;
  process.exit(code ?? 1);
}

/** The namespace beyond a link, which this one reaches by {@link OUTSIDE}. */
export class Beyond {
  private readonly holder: ChildProcess;
  private readonly enter: readonly string[];

  /** Makes it, and the link to it. This process has to be in a namespace of its own. */
  static make(): Beyond {
    const holder = spawn('unshare', ['--net', 'sleep', 'infinity'], { stdio: 'ignore' });
    process.once('exit', () => holder.kill('SIGKILL'));
    const beyond = new Beyond(holder);
    // `unshare` has made the namespace once it has become `sleep`.
    run('sh', ['-c', `until grep -q sleep /proc/${holder.pid}/comm; do :; done`]);
    run('ip', ['link', 'add', 'name', 'out', 'type', 'veth', 'peer', 'name', 'in', 'netns', String(holder.pid)]);
    beyond.run('ip', 'link', 'set', 'lo', 'up');
    beyond.run('ip', 'addr', 'add', `${OUTSIDE}/24`, 'dev', 'in');
    beyond.run('ip', 'link', 'set', 'in', 'up');
    run('ip', ['addr', 'add', `${INSIDE}/24`, 'dev', 'out']);
    run('ip', ['link', 'set', 'out', 'up']);
    // Browsers gather addresses of the interface of the default route.
    run('ip', ['route', 'add', 'default', 'via', OUTSIDE]);
    return beyond;
  }

  private constructor(holder: ChildProcess) {
    this.holder = holder;
    this.enter = ['nsenter', `--net=/proc/${holder.pid}/ns/net`];
  }

  /** Programs and arguments before a command, so that it runs there. */
  get by(): readonly string[] {
    return this.enter;
  }

  /** Runs a command there. @returns what it prints. @throws Error if it fails. */
  run(...command: readonly string[]): string {
    return run(this.enter[0]!, [...this.enter.slice(1), ...command]);
  }

  /** Starts a server there. @returns once it listens at {@link OUTSIDE}. */
  async startServer(port: number, env: Record<string, string>): Promise<Child> {
    const child = startChild(this.enter[0]!, [...this.enter.slice(1), process.execPath, MAIN], {
      env: {
        ...process.env,
        LISTEN: `${OUTSIDE}:${port}`,
        ADMIN_LISTEN: '',
        MEDIA_BIND: OUTSIDE,
        WORKERS: '1',
        DRAIN_TIMEOUT_MS: '0',
        EVENTS_INTERVAL_MS: '50',
        ...env,
      },
    });
    await child.said('"msg":"listening"');
    return child;
  }

  close(): void {
    this.holder.kill('SIGKILL');
  }
}

/** Lets no UDP through the link, in either direction, except to a port beyond it and back. */
export function blockUdpExceptTo(port: number): void {
  const rule = (chain: string, interfaceOption: string, portOption: string): void => {
    run('iptables', ['-A', chain, interfaceOption, 'out', '-p', 'udp', portOption, String(port), '-j', 'ACCEPT']);
    run('iptables', ['-A', chain, interfaceOption, 'out', '-p', 'udp', '-j', 'DROP']);
  };
  rule('OUTPUT', '-o', '--dport');
  rule('INPUT', '-i', '--sport');
}

function run(program: string, args: readonly string[]): string {
  return execFileSync(program, args, { stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' });
}
