/** The indexes of participants: rows of the shared tables, each used by one participant at a time. */
import { connectionId, SOURCE_WORDS } from '../../workers/protocol.ts';

/** An index that is in use. */
export interface TakenIndex {
  /** The index with its generation: no two users of the index follow one another under the same id. */
  readonly id: number;
  readonly index: number;
}

export class IndexPool {
  /** Indexes in all. */
  readonly size: number;
  private readonly first: number;
  /** The last one is given out next. */
  private readonly unused: number[];
  /** By index, beginning with the first: how often it was given out. */
  private readonly generations: Uint16Array;
  private readonly sources: Int32Array;

  /**
   * @param size how many indexes; with `first` added, at most `MAX_CONNECTION_INDEX + 1`.
   * @param sources the source table.
   * @param first the lowest index.
   */
  constructor(size: number, sources: Int32Array, first = 0) {
    this.size = size;
    this.first = first;
    this.unused = Array.from({ length: size }, (_, i) => first + size - 1 - i);
    this.generations = new Uint16Array(size);
    this.sources = sources;
  }

  /** Indexes that are not in use. */
  get free(): number {
    return this.unused.length;
  }

  /**
   * Takes an index, begins its next generation, and clears what the source table says of its previous owner.
   *
   * @returns null if all are in use.
   */
  take(): TakenIndex | null {
    const index = this.unused.pop();
    if (index === undefined) return null;
    this.sources.fill(0, index * SOURCE_WORDS, (index + 1) * SOURCE_WORDS);
    return { id: connectionId(index, this.generations[index - this.first]!++), index };
  }

  /** Returns an index, once no worker writes for it any more. */
  give(index: number): void {
    this.unused.push(index);
  }
}
