/** The demo's side of the bots: keeps how many are in each room, and removes them from rooms without people. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { BOT_MARK, MAX_BOTS, type Placement } from './protocol.ts';

const SCRIPT = fileURLToPath(new URL('./process.js', import.meta.url));
/** Interval between checks of the rooms with bots, and how long bots stay without people. Milliseconds. */
const TIMES = { look: 5000, alone: 60_000 };

/** The server's addresses. */
export interface ServerAddress {
  readonly url: string;
  readonly adminUrl: string;
}

interface Room {
  count: number;
  /** When people were last in the room, milliseconds. */
  people: number;
}

export class BotCrew {
  private readonly rooms = new Map<string, Room>();
  private readonly say: (line: string) => void;
  private servers: readonly ServerAddress[] = [];
  private child: ChildProcess | null = null;
  private readonly alone: number;
  private readonly timer: NodeJS.Timeout;

  /** @param say prints a line on the terminal. */
  constructor(say: (line: string) => void, { look, alone } = TIMES) {
    this.say = say;
    this.alone = alone;
    this.timer = setInterval(() => void this.look(), look);
  }

  /** Number of bots in each room. */
  get counts(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.rooms].map(([id, { count }]) => [id, count]));
  }

  /** Takes the servers that run now. Several are instances of one cluster. */
  serve(servers: readonly ServerAddress[]): void {
    this.servers = servers;
    this.tell();
  }

  /**
   * Sets the number of bots in a room.
   *
   * @returns the number set. It is less than wanted if all rooms together would exceed the limit.
   */
  place(room: string, wanted: number): number {
    const known = this.rooms.get(room);
    let others = 0;
    for (const { count } of this.rooms.values()) others += count;
    others -= known?.count ?? 0;
    const count = Math.max(0, Math.min(wanted, MAX_BOTS - others));
    if (count !== (known?.count ?? 0)) this.say(`${count} ${count === 1 ? 'bot' : 'bots'} in ${room}`);
    if (count === 0) this.rooms.delete(room);
    else this.rooms.set(room, { count, people: performance.now() });
    this.tell();
    return count;
  }

  /** Ends all bots. Resolves once their process has ended. */
  async close(): Promise<void> {
    clearInterval(this.timer);
    this.rooms.clear();
    const { child } = this;
    this.child = null;
    if (child === null) return;
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.disconnect();
    await exited;
  }

  private tell(): void {
    if (this.child === null) {
      if (this.rooms.size === 0) return;
      this.child = this.start();
    }
    this.child.send({ urls: this.servers.map(({ url }) => url), rooms: this.counts } satisfies Placement);
  }

  private start(): ChildProcess {
    const child = fork(SCRIPT, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    child.on('error', (error) => this.say(`the bots' process failed: ${error.message}`));
    child.once('exit', (code) => {
      if (this.child !== child) return;
      this.child = null;
      this.rooms.clear();
      this.say(`the bots' process ended (${code}); add the bots again on the page`);
    });
    return child;
  }

  /** Removes bots from rooms that have been without people for a while. */
  private async look(): Promise<void> {
    const [server] = this.servers;
    if (server === undefined) return;
    const now = performance.now();
    for (const [id, room] of this.rooms) {
      if (await hasPeople(server, id)) room.people = now;
      else if (now - room.people > this.alone) this.place(id, 0);
    }
  }
}

/** Returns whether anybody except bots is connected in the room; true if the server does not answer. */
async function hasPeople({ adminUrl }: ServerAddress, room: string): Promise<boolean> {
  try {
    const answer = await fetch(`${adminUrl}/conversations/${encodeURIComponent(room)}`);
    if (answer.status === 404) return false;
    const { users } = (await answer.json()) as { users: { userid: string; connections: unknown[] }[] };
    return users.some(({ userid, connections }) => !userid.endsWith(BOT_MARK) && connections.length > 0);
  } catch {
    return true;
  }
}
