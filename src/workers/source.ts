/** What a member of a conversation publishes. */
import { LevelHistory } from '../rtp/audio-level.ts';
import { Activity } from '../rtp/dominant.ts';
import { Lateness } from '../rtp/lateness.ts';
import { Loudness } from '../rtp/loudness.ts';
import { Durations } from '../rtp/opus.ts';
import { RedHealth } from '../rtp/red.ts';
import { NO_SOURCE, opusOf, redOf } from '../rtp/rewriter.ts';
import { Arrival, type ArrivalVerdict, SourceSequence } from '../rtp/sequence.ts';
import type { Conversation } from './conversation.ts';
import type { Publication } from './protocol.ts';
import type { Candidate, Captures } from './selection.ts';
import { Targets } from './targets.ts';

/**
 * When another SSRC takes the place of the one in use: with its first packet after so long a silence, ticks; or with so
 * many packets in a row, of which none was of the one in use. A client that restarts its stream loses two packets by
 * this, and of two streams at the same time one is heard, where their packets mixed would be heard as noise.
 */
const SSRC_PATIENCE = 0.2 * 48_000;
const PACKETS_IN_A_ROW = 3;
/** In both cases the one in use must have missed its next packet: silent for so many times its packets' duration. */
const MISSED = 2;
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
  readonly redHealth = new RedHealth();
  readonly sequence = new SourceSequence();
  /** Names this run of sequence numbers to the slots; changes whenever the numbering begins anew. */
  key = NO_SOURCE;
  /** The slots that carry this source and get Opus. */
  readonly targets = new Targets();
  /** And those that get RED as the source sends it. */
  readonly redTargets = new Targets();
  /** Of its packets. */
  readonly durations = new Durations();
  readonly lateness = new Lateness();
  private ssrc = 0;
  private ssrcKnown = false;
  /** The last SSRC that was not the one in use, and how many packets of it came in a row. */
  private otherSsrc = 0;
  private others = 0;
  private lastPacket = 0;
  /** Timestamp of the packet with the highest number. */
  private newestTimestamp = 0;

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
  }

  /**
   * Whether a packet with sound belongs to this source, by its SSRC: the first one that comes, whatever the offer
   * declared, until another one takes its place. A change begins the numbering anew.
   */
  accepts(ssrc: number, clock: number): boolean {
    if (this.uses(ssrc, clock)) return true;
    if (this.ssrcKnown && !this.yields(ssrc, clock)) return false;
    this.ssrc = ssrc;
    this.ssrcKnown = true;
    this.others = 0;
    this.lastPacket = clock;
    this.sequence.reset();
    return true;
  }

  /** Whether a packet has the SSRC in use. One without sound never begins a source: it may be another stream's. */
  uses(ssrc: number, clock: number): boolean {
    if (!this.ssrcKnown || ssrc !== this.ssrc) return false;
    this.others = 0;
    this.lastPacket = clock;
    return true;
  }

  /** Whether the SSRC in use makes room for another one. */
  private yields(ssrc: number, clock: number): boolean {
    this.others = ssrc === this.otherSsrc ? this.others + 1 : 1;
    this.otherSsrc = ssrc;
    const silence = (clock - this.lastPacket) >>> 0;
    if (silence < MISSED * this.durations.ticks) return false;
    return silence >= SSRC_PATIENCE || this.others >= PACKETS_IN_A_ROW;
  }

  /**
   * Takes note of a packet's place in time.
   *
   * @param claimed how long it lasts as it says itself, ticks, 0 if it does not.
   * @param clock now, ticks.
   * @returns how far its timestamp is from that of the packet that was the newest, ticks.
   */
  follow(arrival: ArrivalVerdict, timestamp: number, claimed: number, clock: number): number {
    const span = (timestamp - this.newestTimestamp) | 0;
    if (arrival === Arrival.Advance || arrival === Arrival.Restart) {
      this.newestTimestamp = timestamp;
      this.durations.take(claimed, this.sequence.steps === 1, span);
      this.lateness.take(timestamp, clock, arrival === Arrival.Restart || span < 0);
    }
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
