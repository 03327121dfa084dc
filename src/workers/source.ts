/** What a member of a conversation publishes. */
import { Activity } from '../rtp/dominant.ts';
import { Loudness } from '../rtp/loudness.ts';
import { NO_SOURCE } from '../rtp/rewriter.ts';
import { SourceSequence } from '../rtp/sequence.ts';
import type { Conversation } from './conversation.ts';
import type { Publication } from './protocol.ts';
import type { Candidate, Captures } from './selection.ts';

/** How long the SSRC in use may be silent before an undeclared other one takes its place, ticks. */
const SSRC_PATIENCE = 48_000;

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
  readonly loudness = new Loudness();
  readonly activity = new Activity();
  readonly captures: Captures;
  readonly connection: number;
  readonly conversation: Conversation;
  readonly user: number;
  readonly number: number;
  readonly payloadType: number;
  /** Id of its audio level extension, or 0. */
  readonly levelExtension: number;
  readonly sequence = new SourceSequence();
  /** Names this run of sequence numbers to the slots; changes whenever the numbering begins anew. */
  key = NO_SOURCE;
  /** Rows of the slots that carry this source. */
  targets = new Int32Array(4);
  targetCount = 0;
  private ssrc = 0;
  private ssrcKnown = false;
  private lastPacket = 0;
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

  addTarget(row: number): void {
    if (this.targetCount === this.targets.length) {
      const grown = new Int32Array(this.targets.length * 2);
      grown.set(this.targets);
      this.targets = grown;
    }
    this.targets[this.targetCount++] = row;
  }
}
