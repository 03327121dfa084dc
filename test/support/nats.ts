/** Real servers of NATS, with JetStream in a temporary folder. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Child, findProgram, startChild } from './child.ts';
import { temporaryFolder } from './proxies.ts';
import type { Scenarios } from './scenario.ts';

/** Longest wait for a process to stop, milliseconds. */
const STOP_MS = 1000;
/** Where a current one is, beside the one of the distribution. */
const CURRENT = '/opt/nats/nats-server';

/** Returns the programs that are installed, the preferred one first: `NATS_SERVER`, a current one, the PATH's. */
export function natsPrograms(): string[] {
  const found = [process.env['NATS_SERVER'], CURRENT, findProgram('nats-server')];
  return [...new Set(found.filter((path): path is string => path !== undefined && existsSync(path)))];
}

/**
 * Adds a scenario that needs NATS. Where it is not installed, the scenario is skipped, or fails if `REQUIRE_TOOLS` is
 * set.
 */
export function withNats(test: Scenarios, name: string, body: () => Promise<void>, seconds?: number): void {
  if (natsPrograms().length > 0) test(name, body, seconds);
  else missing(test, name);
}

/** Adds a scenario for each version of NATS that is installed. */
export function withEachNats(
  test: Scenarios,
  name: string,
  body: (program: string) => Promise<void>,
  seconds?: number,
): void {
  const programs = natsPrograms();
  programs.forEach(
    (program, i) => void test(`NATS ${i + 1} of ${programs.length}: ${name}`, () => body(program), seconds),
  );
  if (programs.length === 0) missing(test, name);
}

/** Whether all threads of a process are stopped. A thread on another core runs on for a moment after the signal. */
function isStopped(pid: number): boolean {
  const threads = `/proc/${pid}/task`;
  return readdirSync(threads).every((thread) => /\) T /.test(readFileSync(`${threads}/${thread}/stat`, 'utf8')));
}

function missing(test: Scenarios, name: string): void {
  if (process.env['REQUIRE_TOOLS'] !== '1') return test.skip(name, 'nats-server is not installed');
  test(name, () => {
    throw new Error('nats-server is not installed, and REQUIRE_TOOLS is set');
  });
}

export interface NatsOptions {
  /** The program; by default the preferred one. */
  readonly program?: string;
  /** Lines for its configuration, such as `authorization { token: t0ken }`. */
  readonly config?: string;
  /** Whether it has JetStream; by default it has. With an operator it would need an account for itself. */
  readonly jetstream?: boolean;
  /** A port that was free a moment ago; by default the system chooses one. */
  readonly port?: number;
}

export class NatsServer {
  readonly port: number;
  private readonly program: string;
  private readonly folder: string;
  private readonly jetstream: boolean;
  private child: Child;

  /** Starts a server on loopback. @throws Error if none is installed or it does not start. */
  static async start(options: NatsOptions = {}): Promise<NatsServer> {
    const program = options.program ?? natsPrograms()[0];
    if (program === undefined) throw new Error('nats-server is not installed');
    const folder = temporaryFolder('nats');
    writeFileSync(join(folder, 'nats.conf'), `${options.config ?? ''}\n`);
    const jetstream = options.jetstream ?? true;
    const child = launch(program, folder, options.port ?? -1, jetstream);
    const port = portIn(await child.said('Listening for client connections on'));
    await child.said('Server is ready');
    return new NatsServer(program, folder, child, port, jetstream);
  }

  private constructor(program: string, folder: string, child: Child, port: number, jetstream: boolean) {
    this.jetstream = jetstream;
    this.program = program;
    this.folder = folder;
    this.child = child;
    this.port = port;
  }

  /** `nats://127.0.0.1:port` */
  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  /** The id of its process. */
  get pid(): number {
    return this.child.process.pid!;
  }

  /** What it has logged since its latest start. */
  get lines(): readonly string[] {
    return this.child.lines;
  }

  /** Replaces the lines of its configuration; they count from its next start, or {@link reload}, on. */
  configure(config: string): void {
    writeFileSync(join(this.folder, 'nats.conf'), `${config}\n`);
  }

  /** Has it read its configuration anew. */
  async reload(): Promise<void> {
    this.child.process.kill('SIGHUP');
    await this.child.said('Reloaded server configuration');
  }

  /** Ends it as an operator would. */
  async stop(): Promise<void> {
    this.resume();
    await this.child.stop('SIGTERM');
  }

  /** Ends it as a power cut would. */
  async kill(): Promise<void> {
    await this.child.stop('SIGKILL');
  }

  /**
   * Starts it again on its port, after {@link stop} or {@link kill}.
   *
   * @param store whether it still has its disk.
   */
  async restart({ store = true }: { store?: boolean } = {}): Promise<void> {
    if (!store) rmSync(join(this.folder, 'store'), { recursive: true, force: true });
    this.child = launch(this.program, this.folder, this.port, this.jetstream);
    await this.child.said('Server is ready');
  }

  /** Stands still as a hung machine does: connections stay open, nothing is answered. Returns once it stands still. */
  pause(): void {
    this.child.process.kill('SIGSTOP');
    const until = performance.now() + STOP_MS;
    while (!isStopped(this.pid) && performance.now() < until);
  }

  resume(): void {
    this.child.process.kill('SIGCONT');
  }
}

function launch(program: string, folder: string, port: number, jetstream: boolean): Child {
  const store = join(folder, 'store');
  mkdirSync(store, { recursive: true });
  const place = ['-c', join(folder, 'nats.conf'), '-a', '127.0.0.1', '-p', String(port)];
  return startChild(program, jetstream ? [...place, '-js', '-sd', store] : place);
}

function portIn(line: string): number {
  return Number(/:(\d+)$/.exec(line.trim())?.[1]);
}
