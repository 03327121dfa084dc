/** The participants while packets are fuzzed: connections that come, go, move, mute and choose at random. */
import { openSlot, SLOT_WORDS } from '../../src/rtp/rewriter.ts';
import { type Command, connectionId, type Publication } from '../../src/workers/protocol.ts';
import { below, type Random } from '../support/prng.ts';
import { Listener, type OutputCheck } from './output-check.ts';
import { oneIn, pick } from './target.ts';
import type { PublisherState } from './wire.ts';

export const CONNECTIONS = 24;
export const SLOTS = 4;
const CONVERSATIONS = 3;
const USERS = 16;
const OPUS = [111, 111, 111, 109, 96, 0];
const REDS = [0, 63, 63, 127];

type Join = Extract<Command, { type: 'join' }>;

/** A connection, until another one gets its index. */
export interface Participant {
  readonly listener: Listener;
  readonly publisher: PublisherState;
  readonly publication: Publication | null;
  readonly slots: number;
  /** Its speaker number in its conversation. */
  number: number;
  muted: boolean;
  excluded: readonly number[];
}

/** Creates participants, and the commands about them. */
export class Participants {
  /** Participants by index. */
  readonly all: (Participant | undefined)[] = new Array(CONNECTIONS).fill(undefined);
  /** The receivers to which main delivers, by index. */
  readonly listeners: (Listener | undefined)[] = new Array(CONNECTIONS).fill(undefined);
  readonly slots = new SharedArrayBuffer(CONNECTIONS * SLOTS * SLOT_WORDS * 4);
  private readonly output: OutputCheck;
  private readonly look: ConstructorParameters<typeof Listener>[5];
  private readonly generations = new Int32Array(CONNECTIONS);
  private readonly table: Int32Array;
  private numbers = 0;
  private ssrcs = 0;

  /** @param slots the slot table; a new one by default. */
  constructor(output: OutputCheck, slots?: SharedArrayBuffer, look?: ConstructorParameters<typeof Listener>[5]) {
    this.output = output;
    this.look = look;
    this.table = new Int32Array(slots ?? this.slots);
  }

  /** Opens a connection at a free index. */
  open(random: Random, index: number): Participant {
    const id = connectionId(index, this.generations[index]!++);
    const slots = below(random, SLOTS + 1);
    const [payloadType, redPayloadType] = [pick(random, OPUS), pick(random, REDS)];
    const ssrcs = Array.from({ length: slots }, () => ++this.ssrcs | 0);
    ssrcs.forEach((ssrc, i) => {
      const row = (index * SLOTS + i) * SLOT_WORDS;
      openSlot(this.table, row, ssrc, payloadType, id, below(random, 65_536), random() | 0, redPayloadType);
    });
    const listener = new Listener(
      id,
      below(random, USERS) + 1,
      ssrcs,
      [payloadType, redPayloadType],
      this.output,
      this.look,
    );
    const publisher: PublisherState = {
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
          payloadType: publisher.payloadType,
          redPayloadType: publisher.redPayloadType,
          levelExtension: publisher.levelExtension,
          ssrcs: publisher.declared ? [publisher.ssrc | 0] : [],
        };
    const participant = { listener, publisher, publication, slots, number: 0, muted: false, excluded: [] };
    this.all[index] = participant;
    this.listeners[index] = listener;
    return participant;
  }

  /** Returns the command that lets a participant without a conversation join one. */
  join(random: Random, participant: Participant): Join {
    const { listener, publication, slots } = participant;
    const conversation = 1 + below(random, CONVERSATIONS);
    const [muted, deafened] = [oneIn(random, 16), oneIn(random, 16)];
    participant.number = ++this.numbers;
    participant.muted = muted;
    participant.excluded = [];
    listener.conversation = conversation;
    listener.deafened = deafened;
    const { id: connection, user } = listener;
    this.output.speakers.set(participant.number, { conversation, user, connection });
    return {
      type: 'join',
      connection,
      conversation,
      user,
      number: participant.number,
      publication,
      slots,
      muted,
      deafened,
    };
  }

  /** Returns a participant's wishes, with speaker numbers that may belong to no participant. */
  listen(random: Random, { listener }: Participant): Extract<Command, { type: 'listen' }> {
    const some = (most: number): number[] =>
      Array.from({ length: below(random, most) }, () =>
        oneIn(random, 8) ? random() | 0 : this.numbers - below(random, 2 * CONNECTIONS),
      );
    return {
      type: 'listen',
      connection: listener.id,
      deafened: oneIn(random, 8),
      pinned: some(6),
      excluded: some(6),
    };
  }

  /** Frees an index. */
  close(index: number): void {
    this.all[index] = undefined;
    this.listeners[index] = undefined;
  }
}
