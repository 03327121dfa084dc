/** Clients that all connect at the same moment, in processes of their own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('./crowd-process.js', import.meta.url));
/** Most clients in one process; more would make the process itself the bottleneck. */
const MAX_CLIENTS = 250;

export interface CrowdOptions {
  readonly url: string;
  /** Users are named `crowd-<number>`, from this on. */
  readonly first: number;
  readonly count: number;
  readonly slots: number;
  /** Whether they open the channel for events. */
  readonly data: boolean;
}

export type ToCrowd =
  | { readonly type: 'prepare'; readonly options: CrowdOptions }
  /** All connect now, and again if they are refused. */
  | { readonly type: 'connect' };

/** How the clients of a process connected. */
export interface Connected {
  /** From the command until each was connected, pauses between attempts included; milliseconds. */
  readonly times: readonly number[];
  /** Of all attempts, the longest that ended well; milliseconds. */
  readonly longestAttempt: number;
  /** Attempts that failed, by status or close code. */
  readonly failures: Readonly<Record<string, number>>;
  /** The least and the most that a refusal asked to wait for, seconds; null without any. */
  readonly retryAfter: readonly [number, number] | null;
}

export type FromCrowd =
  | { readonly type: 'prepared' }
  | { readonly type: 'connected'; readonly result: Connected }
  | { readonly type: 'failed'; readonly error: string };

/** Processes that are killed when this one exits. */
const children = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

export class Crowd {
  private readonly processes: ChildProcess[] = [];

  /**
   * Makes clients and their offers, which takes some milliseconds each.
   *
   * @param nice lowers their priority, so that they do not take the CPU of what is measured.
   */
  static async prepare(options: Omit<CrowdOptions, 'first'>, nice = false): Promise<Crowd> {
    const crowd = new Crowd();
    for (let first = 0; first < options.count; first += MAX_CLIENTS) {
      const node = [process.execPath, SCRIPT];
      const [program, ...args] = nice ? ['nice', '-n', '40', ...node] : node;
      const child = spawn(program!, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
      children.add(child);
      child.once('exit', () => children.delete(child));
      crowd.processes.push(child);
      const count = Math.min(MAX_CLIENTS, options.count - first);
      await ask(child, { type: 'prepare', options: { ...options, first, count } });
    }
    return crowd;
  }

  /** Lets all of them connect at once. Resolves once all are connected. @throws Error if one cannot. */
  async connect(): Promise<Connected> {
    const replies = await Promise.all(this.processes.map((child) => ask(child, { type: 'connect' })));
    const results = replies.map((reply) => (reply as Extract<FromCrowd, { type: 'connected' }>).result);
    const failures: Record<string, number> = {};
    for (const one of results) {
      for (const [why, count] of Object.entries(one.failures)) failures[why] = (failures[why] ?? 0) + count;
    }
    const asked = results.flatMap(({ retryAfter }) => retryAfter ?? []);
    return {
      times: results.flatMap(({ times }) => times).sort((a, b) => a - b),
      longestAttempt: Math.max(...results.map(({ longestAttempt }) => longestAttempt)),
      failures,
      retryAfter: asked.length === 0 ? null : [Math.min(...asked), Math.max(...asked)],
    };
  }

  /** Kills the clients without a goodbye. */
  kill(): void {
    for (const child of this.processes) child.kill('SIGKILL');
  }
}

function ask(child: ChildProcess, message: ToCrowd): Promise<FromCrowd> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null): void => reject(new Error(`a process of the crowd ended with ${code}`));
    child.once('exit', ended);
    child.once('message', (reply: FromCrowd) => {
      child.off('exit', ended);
      if (reply.type === 'failed') reject(new Error(reply.error));
      else resolve(reply);
    });
    child.send(message);
  });
}
