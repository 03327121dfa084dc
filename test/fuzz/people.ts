/** Who is where while packets are fuzzed: connections that come, go, move, mute and choose, at random. */
import { openSlot, SLOT_WORDS } from '../../src/rtp/rewriter.ts';
import { type Command, connectionId, type Publication } from '../../src/workers/protocol.ts';
import { below, type Random } from '../support/prng.ts';
import { Ear, type Judge } from './legal.ts';
import { oneIn, pick } from './target.ts';
import type { Voice } from './wire.ts';

export const CONNECTIONS = 24;
export const SLOTS = 4;
const CONVERSATIONS = 3;
const USERS = 16;
const OPUS = [111, 111, 111, 109, 96, 0];
const REDS = [0, 63, 63, 127];

type Join = Extract<Command, { type: 'join' }>;

/** One connection, from its opening to the next one of the same index. */
export interface Person {
  readonly ear: Ear;
  readonly voice: Voice;
  readonly publication: Publication | null;
  readonly slots: number;
  /** In the conversation that it is in. */
  number: number;
  muted: boolean;
  excluded: readonly number[];
}

/** Makes people, and the commands about them. */
export class People {
  /** By index. */
  readonly all: (Person | undefined)[] = new Array(CONNECTIONS).fill(undefined);
  /** What main delivers to, by index. */
  readonly ears: (Ear | undefined)[] = new Array(CONNECTIONS).fill(undefined);
  readonly slots = new SharedArrayBuffer(CONNECTIONS * SLOTS * SLOT_WORDS * 4);
  private readonly judge: Judge;
  private readonly look: ConstructorParameters<typeof Ear>[5];
  private readonly generations = new Int32Array(CONNECTIONS);
  private readonly table: Int32Array;
  private numbers = 0;
  private ssrcs = 0;

  /** @param slots the slot table, if there is one already. */
  constructor(judge: Judge, slots?: SharedArrayBuffer, look?: ConstructorParameters<typeof Ear>[5]) {
    this.judge = judge;
    this.look = look;
    this.table = new Int32Array(slots ?? this.slots);
  }

  /** A new connection at an index that nobody holds. */
  open(random: Random, index: number): Person {
    const id = connectionId(index, this.generations[index]!++);
    const slots = below(random, SLOTS + 1);
    const [payloadType, redPayloadType] = [pick(random, OPUS), pick(random, REDS)];
    const ssrcs = Array.from({ length: slots }, () => ++this.ssrcs | 0);
    ssrcs.forEach((ssrc, i) => {
      const row = (index * SLOTS + i) * SLOT_WORDS;
      openSlot(this.table, row, ssrc, payloadType, id, below(random, 65_536), random() | 0, redPayloadType);
    });
    const ear = new Ear(id, below(random, USERS) + 1, ssrcs, [payloadType, redPayloadType], this.judge, this.look);
    const voice: Voice = {
      payloadType: pick(random, OPUS),
      redPayloadType: pick(random, REDS),
      levelExtension: below(random, 4),
      declared: random() % 2 === 0,
      ssrc: random(),
      sequence: below(random, 65_536),
      timestamp: random() | 0,
    };
    const publication: Publication | null = oneIn(random, 5)
      ? null
      : {
          payloadType: voice.payloadType,
          redPayloadType: voice.redPayloadType,
          levelExtension: voice.levelExtension,
          ssrcs: voice.declared ? [voice.ssrc | 0] : [],
        };
    const person = { ear, voice, publication, slots, number: 0, muted: false, excluded: [] };
    this.all[index] = person;
    this.ears[index] = ear;
    return person;
  }

  /** Lets somebody who is nowhere into a conversation. */
  join(random: Random, person: Person): Join {
    const { ear, publication, slots } = person;
    const conversation = 1 + below(random, CONVERSATIONS);
    const [muted, deafened] = [oneIn(random, 16), oneIn(random, 16)];
    person.number = ++this.numbers;
    person.muted = muted;
    person.excluded = [];
    ear.conversation = conversation;
    ear.deafened = deafened;
    const { id: connection, user } = ear;
    this.judge.speakers.set(person.number, { conversation, user, connection });
    return { type: 'join', connection, conversation, user, number: person.number, publication, slots, muted, deafened };
  }

  /** What somebody asks for, of numbers that may be nobody's. */
  listen(random: Random, { ear }: Person): Extract<Command, { type: 'listen' }> {
    const some = (most: number): number[] =>
      Array.from({ length: below(random, most) }, () =>
        oneIn(random, 8) ? random() | 0 : this.numbers - below(random, 2 * CONNECTIONS),
      );
    return {
      type: 'listen',
      connection: ear.id,
      deafened: oneIn(random, 8),
      pinned: some(6),
      excluded: some(6),
    };
  }

  /** Nobody holds the index any more. */
  close(index: number): void {
    this.all[index] = undefined;
    this.ears[index] = undefined;
  }
}
