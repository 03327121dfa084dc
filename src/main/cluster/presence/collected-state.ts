/** The parts of an instance's state that have come so far. */
import { MAX_REMOTE_PARTICIPANTS, type State } from '../messages/presence.ts';
import type { People } from './people.ts';

/** The rest of a state is not waited for longer than this, milliseconds. */
const COLLECT_MS = 2000;

export class CollectedState {
  private readonly people: Pick<People, 'reserve' | 'release'>;
  private readonly got = new Map<number, State>();
  private seq = -1;
  private parts = 0;
  private since = 0;
  private count = 0;

  constructor(people: Pick<People, 'reserve' | 'release'>) {
    this.people = people;
  }

  /** Takes a part of a state. @returns all parts, with the last one; else null. */
  add(part: State, now: number): State[] | null {
    const expired = now - this.since > COLLECT_MS;
    if (this.got.size > 0 && part.seq < this.seq && !expired) return null;
    if (expired || part.seq !== this.seq || part.parts !== this.parts) this.begin(part, now);
    if (this.got.has(part.part)) return null;
    const { length } = part.participants;
    if (this.count + length > MAX_REMOTE_PARTICIPANTS || !this.people.reserve(length)) {
      this.clear();
      return null;
    }
    this.count += length;
    this.got.set(part.part, part);
    if (this.got.size < part.parts) return null;
    const all = [...this.got.values()];
    this.clear();
    return all;
  }

  /** Forgets them. */
  clear(): void {
    this.people.release(this.count);
    this.count = 0;
    this.got.clear();
  }

  private begin({ seq, parts }: State, now: number): void {
    this.clear();
    this.seq = seq;
    this.parts = parts;
    this.since = now;
  }
}
