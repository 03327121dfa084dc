/**
 * Presence: what instances hear of who is where, true, changed, repeated, out of order and invented. Soon after the
 * lies have ended, each instance lists exactly those who are on the others; at the end nobody holds anything.
 */
import { MAX_INSTANCES } from '../../src/main/cluster/messages/heartbeats.ts';
import { wantedBy } from '../../src/main/cluster/presence/wishes.ts';
import { conversationHash } from '../../src/main/cluster/subjects.ts';
import { FakeTimers } from '../support/fake-timers.ts';
import { type FaultyBus, FaultyNetwork } from '../support/faulty-bus.ts';
import { House, SUBJECTS } from '../support/presence-fixture.ts';
import { below, type Random } from '../support/prng.ts';
import { hostileJson } from './json.ts';
import { type Counters, type FuzzTarget, insist, oneIn, pick } from './target.ts';

const MESSAGES_A_CASE = 800;
const ROOMS = ['kitchen', 'cellar'];
/** Incarnations of the instances, and of some that do not exist. */
const SELVES = ['100000000001', '800000000002', 'f00000000003'];
const INVENTED = ['000000000000', 'abcdefabcdef', 'ffffffffffff'];
const MAX_GUESTS = 12;
/** Until everything is as it should be again, milliseconds. */
const HEALED_MS = 20_000;
/** Room for participants of other instances. */
const MAX_ROOM = 5000;
/** Most truths that lies begin with. */
const TRUTHS = 64;

class Building {
  private readonly random: Random;
  private readonly timers = new FakeTimers();
  private readonly network: FaultyNetwork;
  private readonly buses: FaultyBus[] = [];
  private readonly houses: House[];
  private readonly truths: { readonly subject: string; readonly message: Record<string, unknown> }[] = [];

  constructor(random: Random) {
    this.random = random;
    this.network = new FaultyNetwork(this.timers, random);
    const instances = { isAlive: (incarnation: string) => SELVES.includes(incarnation), watch: () => () => undefined };
    this.houses = SELVES.slice(0, 2 + below(random, 2)).map((self) => {
      const bus = this.network.connect();
      this.buses.push(bus);
      const house = new House(self, bus, this.timers, 64, instances);
      house.room.size = MAX_ROOM;
      return house;
    });
    this.overhear();
  }

  async run(outcomes: Counters): Promise<number> {
    const { random, timers, network } = this;
    Object.assign(network.faults, oneIn(random, 2) ? {} : { loss: 0.1, repeats: 0.1, delay: 300 });
    await this.live();
    timers.pass(1000);
    for (let i = 0; i < MESSAGES_A_CASE; i++) {
      if (oneIn(random, 6)) await this.live();
      if (oneIn(random, 4)) timers.pass(below(random, 200));
      this.lie();
    }
    this.checkBounds();
    for (const { counts } of this.houses) {
      const { malformed, otherVersion, unknownType } = counts;
      outcomes.add('malformed', malformed);
      outcomes.add('other version', otherVersion);
      outcomes.add('unknown type', unknownType);
    }
    this.heal(outcomes);
    this.end();
    return MESSAGES_A_CASE;
  }

  /** A further bus notes what is said. */
  private overhear(): void {
    const spy = this.network.connect();
    const subjects = [...SELVES.map((self) => SUBJECTS.presence(self)), ...ROOMS.map(subjectOf)];
    for (const subject of subjects) {
      spy.subscribe(subject, (data) => {
        this.truths.push({ subject, message: JSON.parse(Buffer.from(data).toString()) });
        if (this.truths.length > TRUTHS) this.truths.splice(below(this.random, TRUTHS), 1);
      });
    }
  }

  /** Somebody comes, goes, moves, speaks, or wants to hear somebody else. */
  private async live(): Promise<void> {
    this.act();
    // Taking part begins with a promise.
    for (let i = 0; i < 8; i++) await undefined;
  }

  private act(): void {
    const { random } = this;
    const house = pick(random, this.houses);
    const guests = [...house.guests];
    if (guests.length < MAX_GUESTS && oneIn(random, 2)) {
      house.enter(`user ${below(random, 20)}`, pick(random, ROOMS), !oneIn(random, 4), below(random, 4));
      return;
    }
    if (guests.length === 0) return;
    const guest = pick(random, guests);
    const numbers = [...(guest.seat.current?.participants.keys() ?? [])];
    const some = (): number[] => (numbers.length === 0 ? [] : [pick(random, numbers)]);
    switch (below(random, 6)) {
      case 0:
        return guest.end();
      case 1:
        return void guest.place(oneIn(random, 4) ? null : pick(random, ROOMS));
      case 2:
        return guest.mute(random() % 2 === 0);
      case 3:
        return guest.listen({ pinned: some(), excluded: some() });
      default:
        return guest.speak(random() % 2 === 0);
    }
  }

  /** Somebody who is no instance says something. */
  private lie(): void {
    const { random, truths } = this;
    if (truths.length === 0) return;
    const { subject, message } = pick(random, truths);
    const from = oneIn(random, 3) ? pick(random, [...SELVES, ...INVENTED]) : message['from'];
    const seq = oneIn(random, 8) ? pick(random, [0, 1, 2 ** 40, Number.MAX_SAFE_INTEGER]) : message['seq'];
    const lie = { ...message, from, ...(seq === undefined ? {} : { seq }) };
    const data = oneIn(random, 5) ? Buffer.from(JSON.stringify(lie)) : hostileJson(random, lie);
    const to = oneIn(random, 3) ? pick(random, ROOMS.map(subjectOf)) : subject;
    for (const bus of this.buses) bus.receive(to, data);
  }

  private checkBounds(): void {
    for (const { presence, hosted } of this.houses.map((house) => ({
      presence: house.presence,
      hosted: house.seats.hosted,
    }))) {
      insist(hosted.remoteParticipants <= MAX_ROOM, () => `${hosted.remoteParticipants} participants are listed`);
      for (const room of ROOMS) {
        const peers = presence.get(room)?.peerCount ?? 0;
        insist(peers <= MAX_INSTANCES, () => `${peers} instances take part`);
      }
    }
  }

  /** The lies and the faults end. */
  private heal(outcomes: Counters): void {
    Object.assign(this.network.faults, { loss: 0, repeats: 0, delay: 0 });
    this.timers.pass(HEALED_MS);
    for (const house of this.houses) {
      for (const room of ROOMS) {
        const own = [...(house.hosted(room)?.own ?? [])];
        if (own.length === 0) continue;
        const others = this.houses.filter((other) => other !== house);
        const expected = others.flatMap((other) => other.own(room)).sort();
        const listed = house.remote(room);
        insist(listed.join('\n') === expected.join('\n'), () => {
          return `${house.self} lists in ${room}:\n${listed.join('\n')}\ninstead of:\n${expected.join('\n')}`;
        });
        const wants = Math.max(0, ...others.map((other) => wantedOf(other, room)));
        const noted = house.presence.get(room)?.wants;
        insist(noted === wants, () => `${house.self} knows that ${noted} are wanted in ${room}, not ${wants}`);
        outcomes.add('listed', listed.length);
        outcomes.add('rooms');
      }
    }
  }

  private end(): void {
    for (const { guests } of this.houses) for (const guest of [...guests]) guest.end();
    for (const house of this.houses) {
      house.presence.close();
      const held = Object.entries(house.held).filter(([, count]) => count !== 0);
      insist(held.length === 0, () => `left behind: ${held.join('; ')}`);
    }
    this.timers.pass(HEALED_MS);
    insist(this.timers.waiting === 0, () => `${this.timers.waiting} timers are left behind`);
    for (const bus of this.buses) insist(bus.subscribed === 0, () => `${bus.subscribed} subscriptions are left behind`);
  }
}

function subjectOf(room: string): string {
  return SUBJECTS.conversation(conversationHash(room));
}

function wantedOf(house: House, room: string): number {
  const hosted = house.hosted(room);
  return hosted === undefined || hosted.own.size === 0 ? 0 : wantedBy(hosted);
}

export const presence: FuzzTarget = {
  name: 'presence',
  unit: 'messages',
  parallel: 1,
  weight: 1,
  async start() {
    return {
      run: (random, outcomes) => new Building(random).run(outcomes),
      rss: process.memoryUsage.rss,
      end: async () => undefined,
    };
  },
};
