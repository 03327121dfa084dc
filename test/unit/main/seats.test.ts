import { equal, is, ok } from 'uvu/assert';
import type { HostedConversation } from '../../../src/main/conversations/hosted-conversation.ts';
import type { Conversation } from '../../../src/main/conversations/occupied.ts';
import type { Participant } from '../../../src/main/conversations/participant.ts';
import { Seat } from '../../../src/main/conversations/seat.ts';
import { Seats } from '../../../src/main/conversations/seats.ts';
import type { Shard } from '../../../src/main/media/shard.ts';
import type { Command } from '../../../src/workers/protocol.ts';
import { prng, seed } from '../../support/prng.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('seats');

type Join = Extract<Command, { type: 'join' }>;

/** A shard that notes down what it is told and lets go of a connection when the test says so. */
class FakeShard {
  load = 0;
  readonly joins: Join[] = [];
  /** Preferences that its worker knows. */
  readonly heard: Command[] = [];
  /** Connections that are here, by id; one that is leaving is still here. */
  readonly present = new Map<number, Join>();
  private readonly leaving: { connection: number; then: () => void }[] = [];

  join(command: Join): void {
    ok(!this.present.has(command.connection), `connection ${command.connection} joins twice without leaving`);
    this.present.set(command.connection, command);
    this.joins.push(command);
  }

  mute(): void {}

  leave(connection: number, then: () => void): void {
    ok(this.present.has(connection), `connection ${connection} leaves without having joined`);
    ok(!this.leaving.some((one) => one.connection === connection), `connection ${connection} leaves twice`);
    this.leaving.push({ connection, then });
  }

  listen(command: Command): void {
    this.heard.push(command);
  }

  /** Its worker knows nothing any more; those who leave are let go of later. */
  dies(): void {
    this.present.clear();
    this.heard.length = 0;
  }

  get pending(): number {
    return this.leaving.length;
  }

  /** Lets go of the connection that asked first. */
  letGo(): void {
    const { connection, then } = this.leaving.shift()!;
    this.present.delete(connection);
    then();
  }
}

interface Table {
  readonly shards: FakeShard[];
  readonly seats: Seats;
  /** Seats a new connection. */
  sit(participant?: Partial<Participant>): Seat;
}

/** What participants are unless a test says otherwise. */
const STRANGER = {
  claim: { userid: 'user', clientid: 'client' },
  isClient: true,
  publication: null,
  slotCount: 1,
  muted: false,
  deafened: false,
};

function table(shardCount = 1): Table {
  const shards = Array.from({ length: shardCount }, () => new FakeShard());
  const leastLoaded = (): Shard => shards.reduce((a, b) => (b.load < a.load ? b : a)) as unknown as Shard;
  const seats = new Seats(leastLoaded);
  let lastId = 0;
  const sit = (participant: Partial<Participant> = {}): Seat =>
    new Seat({ ...STRANGER, id: ++lastId, user: lastId, ...participant }, seats);
  return { shards, seats, sit };
}

const KITCHEN: Conversation = { id: 'kitchen', key: 1 };
const GARDEN: Conversation = { id: 'garden', key: 2 };
const CELLAR: Conversation = { id: 'cellar', key: 3 };
const PUBLICATION = { payloadType: 111, redPayloadType: 0, levelExtension: 1, ssrcs: [7] };

test('a placed connection joins its conversation with all that the worker has to know', () => {
  const { shards, sit } = table();
  const seat = sit({ id: 65_537, user: 9, publication: PUBLICATION, slotCount: 3 });
  is(seat.shard, null);
  seat.place(KITCHEN);
  is(seat.shard as unknown, shards[0]);
  equal(shards[0]!.joins, [
    {
      type: 'join',
      connection: 65_537,
      conversation: 1,
      user: 9,
      number: 1,
      publication: PUBLICATION,
      slots: 3,
      muted: false,
      deafened: false,
    },
  ]);
});

test('placing a connection where it is changes nothing', () => {
  const { shards, sit } = table();
  const seat = sit();
  seat.place(KITCHEN);
  seat.place(KITCHEN);
  is(shards[0]!.joins.length, 1);
  is(shards[0]!.pending, 0);
});

test('a connection that moves has no worker between leaving and joining', () => {
  const { shards, sit } = table();
  const seat = sit();
  seat.place(KITCHEN);
  seat.place(GARDEN);
  is(seat.shard, null);
  is(shards[0]!.joins.length, 1, 'not joined before it has left');
  shards[0]!.letGo();
  is(seat.shard as unknown, shards[0]);
  equal(
    shards[0]!.joins.map(({ conversation }) => conversation),
    [1, 2],
  );
});

test('where a connection is bound is known while it moves, and who is dominant as long as the room has anybody', () => {
  const { shards, seats, sit } = table();
  const seat = sit();
  is(seat.destination, null);
  seat.place(KITCHEN);
  const kitchen = seat.current!;
  seats.hosted.dominantChanged(KITCHEN.key, seat.number);
  is(kitchen.dominant, 1);
  seat.place(GARDEN);
  is(seat.current, null);
  is(seat.destination, GARDEN);
  shards[0]!.letGo();
  seats.hosted.dominantChanged(KITCHEN.key, 7);
  is(kitchen.dominant, 1, 'the room is gone');
  is(seat.current?.dominant, 0);
});

test('the dominant speaker is the one that another instance determines, while one does', () => {
  const { seats, sit } = table();
  const seat = sit();
  seat.place(KITCHEN);
  const kitchen = seat.current!;
  seats.hosted.dominantChanged(KITCHEN.key, 5);
  kitchen.electedDominant = 0;
  is(kitchen.dominant, 0);
  seats.hosted.dominantChanged(KITCHEN.key, 6);
  kitchen.electedDominant = 3;
  is(kitchen.dominant, 3);
  kitchen.electedDominant = null;
  is(kitchen.dominant, 6);
});

test('an observer is told of every change of an own participant, once it can be seen', () => {
  const { shards, seats, sit } = table();
  const told: string[] = [];
  const see = (what: string) => (hosted: HostedConversation) =>
    told.push(`${what} ${hosted.own.size} ${JSON.stringify([...hosted.preferences])}`);
  seats.observe({ opened: see('opened'), closed: see('closed'), changed: see('changed') });
  const seat = sit();
  seat.muteChanged();
  seat.listen({ pinned: [], excluded: [] });
  seat.place(KITCHEN);
  equal(told.splice(0), ['opened 0 []', 'changed 1 []'], 'it was nowhere before');
  seat.muteChanged();
  seat.listen({ pinned: [7], excluded: [] });
  equal(told.splice(0), ['changed 1 []', 'changed 1 [[1,{"pinned":[7],"excluded":[]}]]']);
  seat.place(null);
  equal(told.splice(0), ['changed 0 []']);
  shards[0]!.letGo();
  equal(told.splice(0), ['closed 0 []']);
});

test('of several places given while it moves, the last one wins', () => {
  const { shards, sit } = table();
  const seat = sit();
  seat.place(KITCHEN);
  for (const place of [GARDEN, null, KITCHEN, CELLAR]) seat.place(place);
  is(shards[0]!.pending, 1);
  shards[0]!.letGo();
  equal(
    shards[0]!.joins.map(({ conversation }) => conversation),
    [1, 3],
  );
  is(shards[0]!.pending, 0);
});

test('a connection sent away and back meanwhile leaves and joins again, with a new number', () => {
  const { shards, seats, sit } = table();
  const [seat, other] = [sit(), sit()];
  seat.place(KITCHEN);
  other.place(KITCHEN);
  seat.place(GARDEN);
  seat.place(KITCHEN);
  shards[0]!.letGo();
  equal(
    shards[0]!.joins.map(({ connection, conversation, number }) => [connection, conversation, number]),
    [
      [1, 1, 1],
      [2, 1, 2],
      [1, 1, 3],
    ],
  );
  is(seats.hosted.count, 1);
});

test('a connection placed nowhere leaves, and stays out until it is placed again', () => {
  const { shards, seats, sit } = table();
  const seat = sit();
  seat.place(null);
  is(shards[0]!.pending, 0);
  seat.place(KITCHEN);
  seat.place(null);
  shards[0]!.letGo();
  is(seat.shard, null);
  is(seats.hosted.count, 0);
  seat.place(KITCHEN);
  is(seat.shard as unknown, shards[0]);
});

test('all connections of a conversation are on one worker, and a new conversation goes to the least loaded', () => {
  const { shards, sit } = table(2);
  const kitchen = [sit(), sit(), sit()];
  for (const seat of kitchen) seat.place(KITCHEN);
  is(new Set(kitchen.map(({ shard }) => shard)).size, 1);
  const garden = sit();
  garden.place(GARDEN);
  is.not(garden.shard, kitchen[0]!.shard);
  sit().place(GARDEN);
  equal(shards.map(({ load }) => load).sort(), [2, 3]);
});

test('a connection weighs its slots and its publication, until it has left', () => {
  const { shards, sit } = table();
  const seat = sit({ slotCount: 3, publication: PUBLICATION });
  seat.place(KITCHEN);
  is(shards[0]!.load, 4);
  sit({ slotCount: 2 }).place(KITCHEN);
  is(shards[0]!.load, 6);
  seat.place(null);
  is(shards[0]!.load, 6, 'until the worker has let go');
  shards[0]!.letGo();
  is(shards[0]!.load, 2);
});

test('people talk where a client shares a conversation with another user, until one of them leaves', () => {
  const { seats, sit } = table();
  const [tab, phone] = [sit({ user: 1 }), sit({ user: 1 })];
  for (const seat of [tab, phone]) seat.place(KITCHEN);
  is(seats.hosted.talking, false, 'both are one user');
  for (const user of [2, 3]) sit({ user, isClient: false }).place(CELLAR);
  is(seats.hosted.talking, false, 'those in the cellar are no clients');
  const elsewhere = sit({ user: 6, isClient: false });
  elsewhere.place(KITCHEN);
  is(seats.hosted.talking, true, 'a client hears somebody who is none');
  elsewhere.place(null);
  const other = sit({ user: 4 });
  other.place(GARDEN);
  is(seats.hosted.talking, false, 'they are apart');
  other.place(null);
  const third = sit({ user: 5 });
  third.place(KITCHEN);
  is(seats.hosted.talking, true);
  third.place(null);
  is(seats.hosted.talking, false, 'one of them is leaving');
});

test('a seat that was never taken is free at once', () => {
  const { sit } = table();
  let freed = 0;
  sit().vacate(() => freed++);
  is(freed, 1);
});

test('a seat that is given up twice is free once', () => {
  const { shards, sit } = table();
  let freed = 0;
  const unused = sit();
  unused.vacate(() => freed++);
  unused.vacate(() => freed++);
  is(freed, 1, 'never taken');
  const seat = sit();
  seat.place(KITCHEN);
  seat.vacate(() => freed++);
  shards[0]!.letGo();
  is(freed, 2, 'the worker has let go');
  seat.vacate(() => freed++);
  is(freed, 2);
});

test('a seat is free exactly once, when the worker has let go', () => {
  const { shards, seats, sit } = table();
  const seat = sit();
  let freed = 0;
  seat.place(KITCHEN);
  seat.vacate(() => freed++);
  is(freed, 0);
  is(seat.shard, null);
  shards[0]!.letGo();
  is(freed, 1);
  seat.place(GARDEN);
  seat.place(null);
  is(freed, 1);
  is(shards[0]!.joins.length, 1, 'no place is taken after that');
  is(seats.hosted.count, 0);
});

test('a seat given up while moving is free exactly once and joins nothing more', () => {
  const { shards, seats, sit } = table();
  const seat = sit();
  let freed = 0;
  seat.place(KITCHEN);
  seat.place(GARDEN);
  seat.vacate(() => freed++);
  seat.place(CELLAR);
  is(freed, 0);
  shards[0]!.letGo();
  is(freed, 1);
  is(shards[0]!.joins.length, 1);
  is(shards[0]!.pending, 0);
  is(shards[0]!.load, 0);
  is(seats.hosted.count, 0);
});

test('after random moves everybody is where they were placed last, and at the end nothing is held', () => {
  const random = prng(seed('random moves'));
  const pick = (most: number): number => random() % most;
  const places = [KITCHEN, GARDEN, CELLAR, null];
  for (let round = 0; round < 30; round++) {
    const { shards, seats, sit } = table(1 + pick(3));
    const people = Array.from({ length: 6 }, (_, i) => ({
      seat: sit({ id: i, slotCount: pick(4), publication: pick(2) === 0 ? null : PUBLICATION }),
      wanted: null as Conversation | null,
      freed: 0,
    }));
    const busy = (): FakeShard[] => shards.filter(({ pending }) => pending > 0);
    for (let step = 0; step < 300; step++) {
      const shard = busy()[pick(4)];
      if (shard !== undefined) shard.letGo();
      const person = people[pick(people.length)]!;
      person.wanted = places[pick(places.length)]!;
      person.seat.place(person.wanted);
    }
    while (busy().length > 0) busy()[0]!.letGo();
    people.forEach(({ seat, wanted }, id) => {
      const there = shards.filter(({ present }) => present.has(id));
      equal(
        there.map(({ present }) => present.get(id)!.conversation),
        wanted === null ? [] : [wanted.key],
      );
      is(seat.shard as unknown, there[0] ?? null);
    });
    for (const place of [KITCHEN, GARDEN, CELLAR]) {
      const numbers = shards
        .flatMap(({ present }) => [...present.values()])
        .filter(({ conversation }) => conversation === place.key)
        .map(({ number }) => number);
      is(new Set(numbers).size, numbers.length, 'numbers of those who are in a conversation together differ');
    }
    for (const person of people) person.seat.vacate(() => person.freed++);
    while (busy().length > 0) busy()[0]!.letGo();
    equal(
      people.map(({ freed }) => freed),
      people.map(() => 1),
    );
    equal(
      shards.map(({ load }) => load),
      shards.map(() => 0),
    );
    is(seats.hosted.count, 0);
  }
});

test('a new worker is told of everybody who is there, as they are now, and of nobody who is leaving', () => {
  const { shards, seats, sit } = table(2);
  const [first, second] = shards as [FakeShard, FakeShard];
  const ann = { ...STRANGER, id: 70_001, user: 1, publication: PUBLICATION };
  const seat = new Seat(ann, seats);
  seat.place(KITCHEN);
  sit({ slotCount: 9 }).place(GARDEN);
  const bob = sit();
  bob.place(KITCHEN);
  const cid = sit();
  cid.place(KITCHEN);
  const number = bob.number;
  seat.listen({ pinned: [number], excluded: [] });
  cid.place(CELLAR);
  ann.muted = true;
  ann.deafened = true;
  const before = first.joins.slice(0, 2);
  const load = first.load;
  first.dies();
  equal(seats.hosted.rebuild(first as unknown as Shard), { conversations: 1, connections: 2 });
  equal(first.joins.slice(3), [{ ...before[0], muted: true, deafened: true }, before[1]]);
  equal(first.heard, [{ type: 'listen', connection: 70_001, deafened: true, pinned: [number], excluded: [] }]);
  equal([first.load, bob.number, second.joins.length], [load, number, 1]);
  first.letGo();
  is(cid.destination, CELLAR);
  is(cid.shard, first as unknown as Shard);
  // Wishes end with the place.
  seat.place(CELLAR);
  first.letGo();
  first.dies();
  seats.hosted.rebuild(first as unknown as Shard);
  equal(first.heard, []);
});

test('the numbers of consecutive conversations are far apart, and begin anew after 32,768 of them', () => {
  const { shards, sit } = table();
  const seat = sit();
  const first = (key: number): number => {
    seat.place({ id: `room ${key}`, key });
    const { number } = seat;
    seat.place(null);
    shards[0]!.letGo();
    return number;
  };
  const numbers = Array.from({ length: 2 ** 15 + 2 }, (_, key) => first(key + 1));
  equal(numbers.slice(0, 3), [1, 2 ** 16 + 1, 2 ** 17 + 1]);
  equal(numbers.slice(-3), [2 ** 31 - 2 ** 16 + 1, 1, 2 ** 16 + 1]);
});

test('a connection that moves has no number, and what it prefers meanwhile is nothing', () => {
  const { shards, sit } = table();
  const seat = sit();
  seat.place(KITCHEN);
  is(seat.number, 1);
  seat.place(GARDEN);
  is(seat.number, 0);
  seat.listen({ pinned: [1], excluded: [] });
  equal(shards[0]!.heard, []);
});

test('a conversation may lose its dominant speaker', () => {
  const { seats, sit } = table();
  const seat = sit();
  seat.place(KITCHEN);
  seats.hosted.dominantChanged(KITCHEN.key, 1);
  seats.hosted.dominantChanged(KITCHEN.key, 0);
  is(seat.current?.dominant, 0);
});

test.run();
