/** Finds clients whose RED (RFC 2198) the workers cannot read. Nobody hears them, so they have to be told. */
import { RedState, SOURCE_WORDS, SourceWord } from '../../workers/protocol.ts';
import { timers } from '../timers.ts';

/** Interval between looks, milliseconds. */
const INTERVAL_MS = 500;
/** Least time between two warnings to a client that recovered and fails again, milliseconds. */
const QUIET_MS = 60_000;

/** A connection as this watch sees it. */
export interface RedSender {
  readonly established: boolean;
  badRed: boolean;
  badRedAt: number;
}

export class RedWatch<S extends RedSender> {
  private readonly senders: readonly (S | undefined)[];
  private readonly sources: Int32Array;
  private readonly tell: (sender: S) => void;

  /**
   * @param senders connections by index, with holes.
   * @param sources the source table.
   * @param tell called with each sender whose RED has become unreadable.
   */
  constructor(senders: readonly (S | undefined)[], sources: Int32Array, tell: (sender: S) => void) {
    this.senders = senders;
    this.sources = sources;
    this.tell = tell;
  }

  /** Begins to watch, for as long as the process lives. @param now milliseconds. */
  start(now: () => number): void {
    timers.every(INTERVAL_MS, () => this.look(now()));
  }

  /** Looks at all senders once. @param now milliseconds. */
  look(now: number): void {
    for (let index = 0; index < this.senders.length; index++) {
      const sender = this.senders[index];
      if (sender === undefined || !sender.established) continue;
      const state = this.sources[index * SOURCE_WORDS + SourceWord.Red];
      if (state === RedState.Readable) sender.badRed = false;
      if (state !== RedState.Unreadable || sender.badRed) continue;
      if (sender.badRedAt !== 0 && now - sender.badRedAt < QUIET_MS) continue;
      sender.badRed = true;
      sender.badRedAt = now;
      this.tell(sender);
    }
  }
}
