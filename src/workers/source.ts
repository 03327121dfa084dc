/** What a participant of a conversation publishes. */
import { LevelHistory } from '../rtp/audio-level.ts';
import { Activity } from '../rtp/dominant.ts';
import { Lateness } from '../rtp/lateness.ts';
import { Loudness } from '../rtp/loudness.ts';
import { Durations } from '../rtp/opus.ts';
import { RedHealth } from '../rtp/red.ts';
import { NO_SOURCE, opusOf, redOf } from '../rtp/rewriter.ts';
import { Arrival, type ArrivalVerdict, SourceSequence } from '../rtp/sequence.ts';
import type { Publication } from './protocol.ts';
import type { Candidate, Captures } from './selection.ts';
import { Targets } from './targets.ts';

/**
 * Another SSRC replaces the one in use after that was quiet for this long, ticks, or once this many of its packets came
 * in a row. A client that restarts its stream loses two packets. Of two simultaneous streams one is heard; mixed, their
 * packets would sound like noise.
 */
const SSRC_PATIENCE = 0.2 * 48_000;
const PACKETS_IN_A_ROW = 3;
/** In both cases the one in use must have missed a packet: quiet for this many times its packets' duration. */
const MISSED = 2;
/** Replaces a payload type that a source does not have; no packet has this one. */
const NO_PAYLOAD_TYPE = -1;

/** The numbers by which a worker knows a participant. */
export interface Identity {
  /** Connection id. */
  readonly connection: number;
  readonly user: number;
  /** The speaker number in the conversation, sent as CSRC. */
  readonly number: number;
}

/** The conversation of a source, which ranks it by its packets. */
interface Ranking {
  heard(source: Source, level: number, silent: boolean, clock: number): void;
}

export class Source implements Candidate, Identity {
  rank = -1;
  speaking = false;
  /** Whether main knows that it speaks: a mere click is not worth an event. */
  announced = false;
  muted: boolean;
  /** It was muted until now. Browsers' timestamps stand still while they send nothing, so those before tell no time. */
  resumes = false;
  readonly levels = new LevelHistory();
  readonly loudness = new Loudness();
  readonly activity = new Activity();
  readonly captures: Captures;
  readonly connection: number;
  readonly conversation: Ranking;
  readonly user: number;
  readonly number: number;
  readonly payloadType: number;
  /** Payload type of RED (RFC 2198); -1 if it sends none. */
  readonly redPayloadType: number;
  /** Id of its audio level extension, or 0. */
  readonly levelExtension: number;
  readonly redHealth = new RedHealth();
  readonly sequence = new SourceSequence();
  /** Identifies this run of sequence numbers to the slots; changes whenever the numbering starts over. */
  key = NO_SOURCE;
  /** The slots that carry this source and get Opus. */
  readonly targets = new Targets();
  /** The slots that carry it and get RED as the source sends it. */
  readonly redTargets = new Targets();
  /** How long its packets last. */
  readonly durations = new Durations();
  readonly lateness = new Lateness();
  private ssrc = 0;
  private ssrcKnown = false;
  /** The last SSRC that was not the one in use, and how many of its packets came in a row. */
  private otherSsrc = 0;
  private others = 0;
  private lastPacket = 0;
  /** Timestamp of the packet with the highest number. */
  private newestTimestamp = 0;

  constructor(
    publisher: Identity,
    publication: Publication,
    muted: boolean,
    conversation: Ranking,
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
   * Returns whether a packet with sound belongs to this source by its SSRC. The source uses the first SSRC that comes,
   * whatever the offer declared, until another one replaces it. A change starts the numbering over.
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

  /** Returns whether a packet has the SSRC in use. One without sound never sets it, for it may be another stream's. */
  uses(ssrc: number, clock: number): boolean {
    if (!this.ssrcKnown || ssrc !== this.ssrc) return false;
    this.others = 0;
    this.lastPacket = clock;
    return true;
  }

  /** Returns whether another SSRC may replace the one in use. */
  private yields(ssrc: number, clock: number): boolean {
    this.others = ssrc === this.otherSsrc ? this.others + 1 : 1;
    this.otherSsrc = ssrc;
    const quiet = (clock - this.lastPacket) >>> 0;
    if (quiet < MISSED * this.durations.ticks) return false;
    return quiet >= SSRC_PATIENCE || this.others >= PACKETS_IN_A_ROW;
  }

  /**
   * Takes note of a packet's place in time.
   *
   * @param claimed the duration that the packet itself states, ticks; 0 if it states none.
   * @param clock now, ticks.
   * @returns how far its timestamp is from that of the packet that was newest before, ticks.
   */
  follow(arrival: ArrivalVerdict, timestamp: number, claimed: number, clock: number): number {
    const span = (timestamp - this.newestTimestamp) | 0;
    if (arrival === Arrival.Advance || arrival === Arrival.Restart) {
      this.newestTimestamp = timestamp;
      this.durations.take(claimed, this.sequence.steps === 1, span);
      this.lateness.take(timestamp, clock, arrival === Arrival.Restart || span < 0 || this.resumes);
      this.resumes = false;
    }
    return span;
  }

  /** Removes all slots that carry this source. */
  clearTargets(): void {
    this.targets.clear();
    this.redTargets.clear();
  }

  /** Removes a slot that carried this source. */
  removeTarget(row: number): void {
    this.targets.remove(row);
    this.redTargets.remove(row);
  }

  /**
   * Adds a slot that carries this source. The blocks of a RED payload name the publisher's payload type for Opus, so a
   * listener that has another one gets plain Opus. That costs nothing extra; a patched copy would, for each such
   * payload type. Browsers that know RED agree on 111.
   *
   * @param payloadTypes the slot's `Slot.PayloadTypes`.
   */
  addTarget(row: number, payloadTypes: number): void {
    const takesRed = redOf(payloadTypes) !== 0 && opusOf(payloadTypes) === this.payloadType;
    const red = takesRed && this.redPayloadType !== NO_PAYLOAD_TYPE;
    (red ? this.redTargets : this.targets).add(row);
  }
}
