/** A conversation that spans instances, as far as its sources on this instance go. */
import { connectionIndex, SOURCE_WORDS, SourceWord } from '../../../workers/protocol.ts';
import type { Publisher } from '../../media/ingress.ts';
import type { Chunk, QueuedConversation } from './chunk.ts';
import type { RelayedConversation } from './interfaces.ts';
import { type Newcomers, OutgoingSource } from './outgoing-source.ts';

/** How many more sources are relayed than anybody hears at once: the order is up to 150 ms old. */
const MARGIN = 2;
const EVERYBODY = 2 ** 31 - 1;
/** The order is read so often while packets come, microseconds. */
const LOOK_US = 50_000;

export class OutgoingConversation implements QueuedConversation, Newcomers {
  readonly relayed: RelayedConversation;
  readonly mediaSubject: string;
  chunk: Chunk | null = null;
  private readonly table: Int32Array;
  private sources: OutgoingSource[] = [];
  private newcomers = 0;
  /** When the order was read because a packet came, of `toStamp`. */
  private lookedAt = 0;
  private ranks = new Int32Array(16);

  private readonly gone: (source: OutgoingSource) => void;

  /** @param table the source table. @param gone is told of each source that has left. */
  constructor(relayed: RelayedConversation, table: Int32Array, gone: (source: OutgoingSource) => void) {
    this.relayed = relayed;
    this.gone = gone;
    this.mediaSubject = relayed.mediaSubject;
    this.table = table;
  }

  /** Forgets all sources. */
  close(): void {
    for (const source of this.sources.splice(0)) this.gone(source);
  }

  /** Adds a source whose first packet came; it has a publication. @param stamp of the packet. */
  add(publisher: Publisher, stamp: number): OutgoingSource {
    const source = new OutgoingSource(this, publisher, publisher.publication!, stamp);
    source.wanted = this.relayed.isPinned(source.id);
    this.sources.push(source);
    return source;
  }

  /** Newcomers are as many as may be relayed anyway, so that a noisy crowd costs no more than twice the foremost. */
  admit(): boolean {
    if (this.newcomers >= this.relayed.wants + MARGIN) return false;
    this.newcomers++;
    return true;
  }

  announceAgain(): void {
    for (const source of this.sources) source.announced = false;
  }

  /** Does {@link look} if that was long ago. @param stamp of the packet that has come. */
  lookOften(stamp: number): void {
    if (((stamp - this.lookedAt) | 0) < LOOK_US && ((stamp - this.lookedAt) | 0) >= 0) return;
    this.lookedAt = stamp;
    this.look();
  }

  /** Finds the foremost sources, and forgets those that have left. */
  look(): void {
    const last = this.lastPlace();
    let newcomers = 0;
    let kept = 0;
    for (const source of this.sources) {
      if (!source.isIn(this.relayed.key)) {
        this.gone(source);
        continue;
      }
      const rank = this.rankOf(source);
      source.look(rank, (rank > 0 && rank <= last) || this.relayed.isPinned(source.id));
      if (source.newcomer && !source.wanted) newcomers++;
      this.sources[kept++] = source;
    }
    this.sources.length = kept;
    this.newcomers = newcomers;
  }

  /** Returns the place in the order of the last source of this instance that is among its foremost. */
  private lastPlace(): number {
    const { sources } = this;
    if (this.ranks.length < sources.length) this.ranks = new Int32Array(2 * sources.length);
    const { ranks } = this;
    const foremost = this.relayed.wants + MARGIN;
    let count = 0;
    for (const source of sources) {
      const rank = this.rankOf(source);
      if (rank > 0) ranks[count++] = rank;
    }
    if (count <= foremost) return EVERYBODY;
    return ranks.subarray(0, count).sort()[foremost - 1]!;
  }

  private rankOf({ id }: OutgoingSource): number {
    return this.table[connectionIndex(id) * SOURCE_WORDS + SourceWord.Rank]!;
  }
}
