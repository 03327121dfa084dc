/** The panel for bots, and the line that shows the server's state. */
import { byId, counted, make, setText } from './dom.ts';

const LOOK_MS = 4000;

/** The response to `GET /demo/state`. */
interface DemoState {
  readonly server: 'up' | 'down';
  readonly connections: number | null;
  readonly rooms: readonly { readonly id: string; readonly users: number }[];
  readonly bots: Readonly<Record<string, number>>;
  readonly instances: readonly string[] | null;
  readonly origin: string | null;
}

/** Where a client is connected; one in the response to `GET /demo/places`. */
export interface Place {
  readonly userid: string;
  readonly clientid: string;
  readonly instance: string;
}

export interface BotEvents {
  /** Returns the room to add bots to; null if the user is in no room. */
  room(): string | null;
  /** Takes where the clients in the room are connected, if there are several servers. */
  located(places: readonly Place[]): void;
  /** Takes a line for the log. */
  said(text: string): void;
  /** Takes an error to show to the user. */
  failed(error: unknown): void;
}

export class Bots {
  private readonly events: BotEvents;
  private readonly count = byId('bot-count', HTMLInputElement);
  private readonly now = byId('bots-now', HTMLParagraphElement);
  private readonly server = byId('server', HTMLParagraphElement);
  private readonly rooms = byId('rooms', HTMLDataListElement);
  private state: DemoState | null = null;
  /** Origin of the page for others in the network; null if they do not reach it. */
  origin: string | null = null;

  constructor(events: BotEvents) {
    this.events = events;
    byId('bots', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault();
      void this.add(this.count.valueAsNumber);
    });
    byId('no-bots', HTMLButtonElement).addEventListener('click', () => void this.place(() => 0));
    setInterval(() => void this.look(), LOOK_MS);
    void this.look();
  }

  /** Adds this many bots to the room. */
  add(count: number): Promise<void> {
    return this.place((present) => present + count);
  }

  /** Requests the demo's state and shows it. */
  async look(): Promise<void> {
    try {
      this.state = await ask<DemoState>('/demo/state');
      this.origin = this.state.origin;
      const room = this.events.room();
      if (room !== null && this.state.instances !== null) {
        this.events.located(await ask<Place[]>(`/demo/places?room=${encodeURIComponent(room)}`));
      }
    } catch {
      this.state = null;
    }
    this.show();
  }

  private async place(wanted: (present: number) => number): Promise<void> {
    const room = this.events.room();
    if (room === null) return;
    try {
      await this.look();
      const present = botsIn(this.state, room);
      const body = JSON.stringify({ room, count: wanted(present) });
      const { count, maxBots } = await ask<{ count: number; maxBots: number }>('/demo/bots', {
        method: 'POST',
        body,
      });
      const full = count < wanted(present) ? ` The limit is ${maxBots} in all rooms together.` : '';
      this.events.said(
        count === 0 ? 'The bots are leaving.' : `${counted(count, 'bot')} in ${room} or on the way.${full}`,
      );
      await this.look();
    } catch (error) {
      this.events.failed(error);
    }
  }

  private show(): void {
    const { state } = this;
    const bots = botsIn(state, this.events.room() ?? '');
    setText(this.now, bots === 0 ? 'None in this room.' : `${bots} in this room. They leave a minute after you.`);
    setText(this.server, serverLine(state));
    const ids = state?.rooms.map(({ id }) => id) ?? [];
    if (ids.join('\n') !== [...this.rooms.options].map(({ value }) => value).join('\n')) {
      this.rooms.replaceChildren(
        ...ids.map((id) => {
          const option = make('option', '');
          option.value = id;
          return option;
        }),
      );
    }
  }
}

/** Returns the number of bots in a room, which may be called `constructor`, too. */
function botsIn(state: DemoState | null, room: string): number {
  return (state !== null && Object.hasOwn(state.bots, room) ? state.bots[room] : 0) ?? 0;
}

function serverLine(state: DemoState | null): string {
  if (state === null) return 'The demo is not answering. Is npm run demo still running?';
  if (state.server === 'down') return 'The server is down. The demo is restarting it.';
  const { connections, rooms, instances } = state;
  const servers =
    instances === null ? 'Server' : instances.length === 1 ? instances[0]! : `${instances.length} servers`;
  return `${servers}: ${counted(connections ?? 0, 'connection')} in ${counted(rooms.length, 'room')}.`;
}

/** Requests JSON from the demo. @throws Error with a message for the user. */
async function ask<T>(path: string, init: RequestInit = {}): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch {
    throw new Error('The demo is not answering. Start it again with npm run demo.');
  }
  if (!response.ok) throw new Error((await response.text()).trim());
  return response.json() as Promise<T>;
}
