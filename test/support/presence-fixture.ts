/** Instances of a cluster without workers, peers and NATS: their seats, and their presence on a bus. */
import type { Instance, InstanceWatcher } from '../../src/main/cluster/instances.ts';
import { noReadCounts } from '../../src/main/cluster/messages/read.ts';
import { Presence } from '../../src/main/cluster/presence/presence.ts';
import type { PresenceParts } from '../../src/main/cluster/presence/presence-parts.ts';
import type { MediaRelay, RelayedConversation } from '../../src/main/cluster/relay/interfaces.ts';
import { Subjects } from '../../src/main/cluster/subjects.ts';
import type { HostedConversation } from '../../src/main/conversations/hosted-conversation.ts';
import { IndexPool } from '../../src/main/conversations/index-pool.ts';
import type { Conversation } from '../../src/main/conversations/occupied.ts';
import type { ListenerPreferences, Participant } from '../../src/main/conversations/participant.ts';
import { RemoteParticipant, RemoteSources } from '../../src/main/conversations/remote-participant.ts';
import { Seat } from '../../src/main/conversations/seat.ts';
import { Seats } from '../../src/main/conversations/seats.ts';
import { UserNumbers } from '../../src/main/conversations/user-numbers.ts';
import { ThrottleLimits } from '../../src/main/limits/throttle.ts';
import type { Shard } from '../../src/main/media/shard.ts';
import type { Timers } from '../../src/main/timers.ts';
import { connectionIndex, SOURCE_WORDS, SourceWord } from '../../src/workers/protocol.ts';

export const SUBJECTS = new Subjects('test');
const PUBLICATION = { payloadType: 111, redPayloadType: 63, levelExtension: 1, ssrcs: [7] };
const REMOTE = 64;

/** A worker that lets go at once, or when the test says so. */
class FakeShard {
  load = 0;
  slow = false;
  private readonly leaving: (() => void)[] = [];

  join(): void {}
  mute(): void {}
  listen(): void {}
  push(): boolean {
    return true;
  }

  leave(_connection: number, then: () => void): void {
    if (this.slow) this.leaving.push(then);
    else then();
  }

  finishLeaves(): void {
    for (const then of this.leaving.splice(0)) then();
  }
}

/** Notes which conversations are open, and what it is told. */
export class FakeRelay implements MediaRelay {
  readonly opened = new Set<RelayedConversation>();
  readonly told: string[] = [];
  /** Whether `open` waits for {@link ready}. */
  slow = false;
  private readonly waiting: (() => void)[] = [];

  open(conversation: RelayedConversation): Promise<void> {
    this.opened.add(conversation);
    return this.slow ? new Promise((resolve) => this.waiting.push(resolve)) : Promise.resolve();
  }

  ready(): void {
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  changed({ listening, wants }: RelayedConversation): void {
    this.told.push(`changed ${listening} ${wants}`);
  }

  announceAgain(): void {
    this.told.push('announce');
  }

  close(conversation: RelayedConversation): void {
    this.opened.delete(conversation);
  }
}

/** A client of an instance. */
export class Guest implements Participant {
  readonly id: number;
  readonly index: number;
  readonly isClient = true;
  readonly user: number;
  readonly claim: { userid: string; clientid: string };
  readonly publication: Participant['publication'];
  readonly slotCount: number;
  muted = false;
  deafened = false;
  quality: 'fair' | 'poor' | null = null;
  readonly seat: Seat;
  private readonly house: House;

  constructor(house: House, userid: string, publishes = true, slotCount = 3) {
    const { id, index } = house.indexes.take()!;
    this.house = house;
    this.id = id;
    this.index = index;
    this.user = house.users.take(userid);
    this.claim = { userid, clientid: `${house.self}/${id}` };
    this.publication = publishes ? PUBLICATION : null;
    this.slotCount = slotCount;
    this.seat = new Seat(this, house.seats);
  }

  place(room: string | null): this {
    this.seat.place(room === null ? null : this.house.conversation(room));
    return this;
  }

  mute(muted: boolean): void {
    this.muted = muted;
    this.seat.muteChanged();
  }

  /** Speaks or not, as its worker says. */
  speak(speaks: boolean): void {
    this.house.table[this.index * SOURCE_WORDS + SourceWord.Speaking] = Number(speaks);
  }

  listen(preferences: Partial<ListenerPreferences>): void {
    this.seat.listen({ pinned: [], excluded: [], ...preferences });
  }

  end(): void {
    this.seat.vacate(() => {
      this.house.guests.delete(this);
      this.house.users.give(this.claim.userid);
      this.house.indexes.give(this.index);
    });
  }
}

/** All live, until the test says otherwise. */
class FakeInstances {
  readonly dead = new Set<string>();
  private readonly watchers = new Set<InstanceWatcher>();

  isAlive(incarnation: string): boolean {
    return !this.dead.has(incarnation);
  }

  watch(watcher: InstanceWatcher): () => void {
    this.watchers.add(watcher);
    return () => void this.watchers.delete(watcher);
  }

  /** An instance fell silent. It may come back. */
  lose(incarnation: string): void {
    for (const watcher of this.watchers) watcher.gone?.({ incarnation } as Instance, 'silent');
  }
}

type HouseBus = PresenceParts['bus'];

/** One instance. */
export class House {
  readonly self: string;
  readonly table: Int32Array;
  readonly indexes: IndexPool;
  readonly users = new UserNumbers();
  readonly shard = new FakeShard();
  readonly seats = new Seats(() => this.shard as unknown as Shard);
  readonly sources: RemoteSources;
  readonly relay = new FakeRelay();
  readonly counts = noReadCounts();
  /** Places for participants of other instances. */
  readonly room = { size: 200_000, taken: 0 };
  readonly presence: Presence;
  readonly guests = new Set<Guest>();
  readonly instances = new FakeInstances();
  private readonly conversations = new Map<string, Conversation>();

  /** @param most largest number of guests. @param instances by default fakes that live as the test says. */
  constructor(self: string, bus: HouseBus, timers: Timers, most = 64, instances?: PresenceParts['instances']) {
    this.self = self;
    this.table = new Int32Array((most + REMOTE) * SOURCE_WORDS);
    this.indexes = new IndexPool(most, this.table);
    this.sources = new RemoteSources({
      indexes: new IndexPool(REMOTE, this.table, most),
      seats: this.seats,
      ingress: { take: () => undefined },
      throttleLimits: new ThrottleLimits(200, 1000),
    });
    const { seats, sources, table, users, relay, counts, room } = this;
    const cluster = { subjects: SUBJECTS, self, bus, instances: instances ?? this.instances, timers };
    this.presence = new Presence({ ...cluster, seats, sources, table, users, relay, counts, room });
    this.presence.start();
  }

  /** Returns a conversation of this process; {@link forget} makes it another one, as if everybody had left. */
  conversation(id: string): Conversation {
    const known = this.conversations.get(id) ?? { id, key: ++this.lastKey };
    this.conversations.set(id, known);
    return known;
  }
  private lastKey = 0;

  forget(id: string): void {
    this.conversations.delete(id);
  }

  /** Adds a client. */
  enter(userid: string, room: string | null = null, ...kind: [publishes?: boolean, slots?: number]): Guest {
    const guest = new Guest(this, userid, ...kind);
    this.guests.add(guest);
    return room === null ? guest : guest.place(room);
  }

  hosted(room: string): HostedConversation | undefined {
    return this.seats.hosted.get(this.conversation(room).key);
  }

  /** Lists the participants of other instances in a conversation, as this one knows them. */
  remote(room: string): string[] {
    const participants = [...(this.hosted(room)?.participants.values() ?? [])];
    return participants
      .filter((one) => one instanceof RemoteParticipant)
      .map(({ instance, source, claim, muted, speaks, publication }) =>
        describe(instance, source, claim.userid, claim.clientid, muted, !muted && speaks, publication !== null),
      )
      .sort();
  }

  /** Lists its own, as the others should know them. */
  own(room: string): string[] {
    return [...this.guests]
      .filter(({ seat }) => seat.current?.conversation.id === room)
      .map(({ id, claim, muted, publication }) => {
        const speaks = this.table[connectionIndex(id) * SOURCE_WORDS + SourceWord.Speaking] === 1;
        return describe(this.self, id, claim.userid, claim.clientid, muted, !muted && speaks, publication !== null);
      })
      .sort();
  }

  /** Returns the number of a participant of another instance. */
  numberOf(room: string, guest: Guest): number {
    for (const [number, one] of this.hosted(room)?.participants ?? []) {
      if (one.claim.clientid === guest.claim.clientid) return number;
    }
    return 0;
  }

  /** What it still holds; all 0 once nobody is anywhere. */
  get held(): Record<string, number> {
    const { presence, seats, users, sources, relay, room } = this;
    return {
      conversations: presence.count,
      hosted: seats.hosted.count,
      users: users.size,
      known: sources.known.size,
      relayed: relay.opened.size,
      room: room.taken,
    };
  }
}

function describe(...parts: readonly (string | number | boolean)[]): string {
  return parts.join(' ');
}
