/** Who is in a measured room, or in many of them: the groups of clients, and how they begin to talk. */
import { ClientGroup, MAX_CLIENTS } from './client-group.ts';
import type { GroupOptions } from './protocol.ts';
import type { RoomSetup } from './run.ts';

/** How speakers are named. */
export const SPEAKER = 'speaker';
const CLIENT_PORTS: readonly [number, number] = [30_000, 39_999];

export { CLIENT_PORTS };

export class People {
  /** All groups, to be reset and ended. */
  readonly groups: ClientGroup[] = [];
  /** Those whose packets are examined. */
  readonly live: ClientGroup[] = [];
  /** Those who send. */
  readonly voices: ClientGroup[] = [];
  private readonly setup: RoomSetup;
  private readonly urls: readonly string[];
  private readonly say: (text: string) => void;

  constructor(setup: RoomSetup, urls: readonly string[], say: (text: string) => void) {
    this.setup = setup;
    this.urls = urls;
    this.say = say;
  }

  /** Connects everybody. @param audience whether listeners offer a microphone, too. */
  async connect(audience: boolean): Promise<void> {
    const { rooms, idle, microphones } = this.setup;
    if (idle > 0) await this.connectIdle();
    if (rooms > 0) return this.connectRooms();
    await this.connectListeners(audience);
    if (microphones > 0) await this.connectMicrophones();
    this.say('connecting the speakers');
    await this.open({ name: SPEAKER, count: this.setup.speakers, publishes: true, levels: true, speaks: true });
  }

  /** Lets the speakers talk. */
  async talk(): Promise<void> {
    const { payloadBytes, intervalMs } = this.setup;
    for (const group of this.voices) await group.talk(payloadBytes, intervalMs, false);
  }

  /** People who are connected, in conversations of fifty, where nobody talks. */
  private async connectIdle(): Promise<void> {
    const { idle, events, slots } = this.setup;
    for (let done = 0; done < idle; done += MAX_CLIENTS) {
      this.say(`connecting ${idle - done} who do nothing`);
      const count = Math.min(MAX_CLIENTS, idle - done);
      await this.open({ name: `idle${done}`, count, slots, data: events, room: 'idle', firstRoom: done, perRoom: 50 });
    }
  }

  /** Rooms in which everybody talks to everybody. The people of the first are measured. */
  private async connectRooms(): Promise<void> {
    const { rooms, speakers, slots, measured, sinkPorts } = this.setup;
    const perGroup = Math.max(1, Math.floor(MAX_CLIENTS / speakers));
    const examined = Math.min(rooms, Math.max(1, Math.floor(measured / speakers)));
    for (let room = 0; room < rooms; ) {
      this.say(`connecting ${rooms - room} rooms`);
      const live = room === 0;
      const some = live ? examined : Math.min(perGroup, rooms - room);
      await this.open({
        name: `${SPEAKER}${room}`,
        count: some * speakers,
        slots,
        publishes: true,
        levels: true,
        speaks: true,
        measured: live,
        firstRoom: room * speakers,
        perRoom: speakers,
        ...(live || sinkPorts === null ? {} : { ports: sinkPorts }),
      });
      room += some;
    }
  }

  private async connectListeners(audience: boolean): Promise<void> {
    const { slots, listeners, measured, sinkPorts } = this.setup;
    if (listeners === 0) return;
    this.say('connecting the measured listeners');
    await this.open({ name: 'live', count: measured, slots, publishes: audience, measured: true });
    for (let rest = listeners - measured, i = 0; rest > 0; rest -= MAX_CLIENTS, i++) {
      this.say(`connecting ${rest} more listeners`);
      const count = Math.min(rest, MAX_CLIENTS);
      const ports = sinkPorts ?? CLIENT_PORTS;
      await this.open({ name: `other${i}`, count, slots, publishes: audience, ports });
    }
  }

  private async connectMicrophones(): Promise<void> {
    this.say('connecting silent microphones');
    const { microphones: count, levels } = this.setup;
    const group = await this.open({ name: 'silent', count, publishes: true, silent: true, levels });
    await group.talk(0, 0, true);
  }

  private async open(
    options: Partial<GroupOptions> & Pick<GroupOptions, 'name' | 'count'> & { readonly speaks?: boolean },
  ): Promise<ClientGroup> {
    const group = new ClientGroup();
    this.groups.push(group);
    const { speaks = false, ...rest } = options;
    if (speaks) this.voices.push(group);
    if (rest.measured === true) this.live.push(group);
    await group.open({
      url: this.urls[0]!,
      urls: this.urls,
      room: 'bench',
      slots: 0,
      publishes: false,
      measured: false,
      ports: CLIENT_PORTS,
      ...rest,
    });
    return group;
  }
}
