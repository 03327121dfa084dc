/** A process of the benchmarks' clients, seen from the benchmark. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { SpurtOptions } from '../cluster/spurts.ts';
import type { FromGroup, GroupOptions, GroupReport, ToGroup } from './protocol.ts';

/** Most clients in one process; more would make the process itself the bottleneck. */
export const MAX_CLIENTS = 150;

/** Processes that are killed when this one exits. */
const children = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

export class ClientGroup {
  private readonly child: ChildProcess = fork(fileURLToPath(new URL('./group.js', import.meta.url)));

  constructor() {
    children.add(this.child);
    this.child.once('exit', () => children.delete(this.child));
  }

  get pid(): number {
    return this.child.pid!;
  }

  tell(message: ToGroup): void {
    this.child.send(message);
  }

  /** Connects the clients and joins their conversations. @throws Error if not all of them did. */
  async open(options: GroupOptions): Promise<void> {
    this.tell({ type: 'open', options });
    const reply = await this.reply();
    const connected = reply.type === 'opened' ? reply.connected : 0;
    if (connected !== options.count) throw new Error(`${connected} of ${options.count} ${options.name} connected`);
  }

  /** Makes the publishers send from now on. @param spurts when they talk; without it, all the time. */
  async talk(payloadBytes: number, intervalMs: number, silent: boolean, spurts: SpurtOptions | null = null) {
    this.tell({ type: 'talk', payloadBytes, intervalMs, silent, spurts });
    await this.reply();
  }

  /** Makes the publishers stop. */
  async hush(): Promise<void> {
    this.tell({ type: 'hush' });
    await this.reply();
  }

  async report(): Promise<GroupReport> {
    this.tell({ type: 'report' });
    const reply = await this.reply();
    if (reply.type !== 'report') throw new Error(`${reply.type} instead of a report`);
    return reply.report;
  }

  end(): void {
    this.child.kill('SIGKILL');
  }

  private reply(): Promise<FromGroup> {
    return new Promise((resolve, reject) => {
      const ended = (code: number | null): void => reject(new Error(`a client process ended with ${code}`));
      this.child.once('exit', ended);
      this.child.once('message', (message: FromGroup) => {
        this.child.off('exit', ended);
        resolve(message);
      });
    });
  }
}
