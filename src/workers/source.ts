/** What a member of a conversation publishes. */
import { LevelHistory } from '../rtp/audio-level.ts';
import { Activity } from '../rtp/dominant.ts';
import { Loudness } from '../rtp/loudness.ts';
import { NO_SOURCE, opusOf, redOf } from '../rtp/rewriter.ts';
import { Arrival, type ArrivalVerdict, SourceSequence } from '../rtp/sequence.ts';
import type { Conversation } from './conversation.ts';
import type { Publication } from './protocol.ts';
import type { Candidate, Captures } from './selection.ts';
import { Targets } from './targets.ts';

/** How long the SSRC in use may be silent before an undeclared other one takes its place, ticks. */
const SSRC_PATIENCE = 48_000;
/** Stands for a payload type that a source does not have; no packet has it. */
const NO_PAYLOAD_TYPE = -1;

/** Whose it is. */
export interface Publisher {
  /** Connection id. */
  readonly connection: number;
  readonly user: number;
  /** Number of the speaker in the conversation, sent as CSRC. */
  readonly number: number;
}

export class Source implements Candidate, Publisher {
  rank = -1;
  speaking = false;
  /** Whether main was told that it speaks: a mere click is not worth an event. */
  announced = false;
  muted: boolean;
  readonly levels = new LevelHistory();
  readonly loudness = new Loudness();
  readonly activity = new Activity();
  readonly captures: Captures;
  readonly connection: number;
  readonly conversation: Conversation;
  readonly user: number;
  readonly number: number;
  readonly payloadType: number;
  /** The one of RED (RFC 2198); -1 if it sends none. */
  readonly redPayloadType: number;
  /** Id of its audio level extension, or 0. */
  readonly levelExtension: number;
  readonly sequence = new SourceSequence();
  /** Names this run of sequence numbers to the slots; changes whenever the numbering begins anew. */
  key = NO_SOURCE;
  /** The slots that carry this source and get Opus. */
  readonly targets = new Targets();
  /** And those that get RED as the source sends it. */
  readonly redTargets = new Targets();
  private ssrc = 0;
  private ssrcKnown = false;
  private lastPacket = 0;
  /** Timestamp of the packet with the highest number. */
  private newestTimestamp = 0;
  private readonly declared: readonly number[];

  constructor(
    publisher: Publisher,
    publication: Publication,
    muted: boolean,
    conversation: Conversation,
    captures: Captures,
  ) {
    this.connection = publisher.connection;
    this.user = publisher.user;
    this.number = publisher.number;
    this.muted = muted;
    this.conversation = conversation;
    this.captures = captures;
    this.payloadType = publication.payloadType;
    this.redPayloadType = publication.redPayloadType || NO_PAYLOAD_TYPE;
    this.levelExtension = publication.levelExtension;
    this.declared = publication.ssrcs;
  }

  /**
   * Whether a packet's SSRC is this source's: one that the offer declared or, where it declared none, the first one
   * seen, until that has been silent for {@link SSRC_PATIENCE}. A change begins the numbering anew.
   */
  accepts(ssrc: number, clock: number): boolean {
    if (ssrc !== this.ssrc || !this.ssrcKnown) {
      const allowed =
        this.declared.length > 0
          ? this.declared.includes(ssrc)
          : !this.ssrcKnown || (clock - this.lastPacket) >>> 0 > SSRC_PATIENCE;
      if (!allowed) return false;
      this.ssrc = ssrc;
      this.ssrcKnown = true;
      this.sequence.reset();
    }
    this.lastPacket = clock;
    return true;
  }

  /** Takes note of a packet's timestamp. @returns how far it is from that of the packet that was the newest, ticks. */
  follow(arrival: ArrivalVerdict, timestamp: number): number {
    const span = (timestamp - this.newestTimestamp) | 0;
    if (arrival === Arrival.Advance || arrival === Arrival.Restart) this.newestTimestamp = timestamp;
    return span;
  }

  /** No slot carries this source any more. */
  clearTargets(): void {
    this.targets.clear();
    this.redTargets.clear();
  }

  /** A slot does not carry this source any more. */
  removeTarget(row: number): void {
    this.targets.remove(row);
    this.redTargets.remove(row);
  }

  /**
   * Adds a slot that carries this source. The blocks of a RED payload name the publisher's Opus, so a listener whose
   * Opus has another payload type gets it unwrapped: that costs nothing more, where a patched copy would for each such
   * payload type, and browsers that know RED agree on 111.
   *
   * @param payloadTypes the slot's `Slot.PayloadTypes`.
   */
  addTarget(row: number, payloadTypes: number): void {
    const takesRed = redOf(payloadTypes) !== 0 && opusOf(payloadTypes) === this.payloadType;
    const red = takesRed && this.redPayloadType !== NO_PAYLOAD_TYPE;
    (red ? this.redTargets : this.targets).add(row);
  }
}
