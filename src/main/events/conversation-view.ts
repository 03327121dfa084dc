/**
 * What the entries of one conversation are told about it. All of them are told the same, so each tick's changes are
 * found and written once, and each entry's own part is only its slots.
 *
 * This is state, not a log: a room holds what has been told, {@link ConversationView.update} compares it with what is so, and what
 * found no room in this tick's messages is still different at the next.
 */
import { connectionIndex, SOURCE_WORDS, SourceWord } from '../../workers/protocol.ts';
import type { HostedConversation } from '../conversations/hosted-conversation.ts';
import type { Participant } from '../conversations/participant.ts';
import type { Participant as ListedParticipant } from './schema.ts';
import { Changes, MAX_LIST_LENGTH, pack, writeEvent, writeParticipant, writeParticipants } from './text.ts';

/** A room that grew large counts as large until it has shrunk to this share of the limit: no to and fro at the brink. */
const SMALL_AGAIN = 0.8;

/** One participant as it was told. */
interface Entry {
  readonly number: number;
  readonly participant: Participant;
  muted: boolean;
  speaking: boolean;
  /** Whether it is on the list that a newcomer gets. */
  listed: boolean;
  /** Whether anybody was told of it, and so has to be told when it goes. */
  mapped: boolean;
  /** JSON, written when it is first needed. */
  text: string | null;
  seen: number;
}

/** What a snapshot says of its receiver. */
export interface Self {
  readonly number: number;
  /** By itself. */
  readonly muted: boolean;
  /** By an operator. */
  readonly mutedByOperator: boolean;
  readonly deafened: boolean;
  readonly pinned: readonly number[];
  readonly excluded: readonly number[];
}

export class ConversationView {
  readonly hosted: HostedConversation;
  /** Raised with every change that entries are told of. */
  version = 0;
  /** What leads from the version before to this one. */
  texts: readonly string[] = [];
  /** Whether somebody was served since this was last cleared. */
  used = true;
  private readonly sources: Int32Array;
  private readonly limit: number;
  private readonly entries = new Map<number, Entry>();
  private large = false;
  private listedCount = 0;
  private dominant = 0;
  private total = 0;
  private complete = false;
  private round = 0;
  /** All numbers in ascending order, and the list for newcomers; null if they have to be made anew. */
  private numbers: readonly number[] | null = null;
  private listing: readonly string[] | null = null;

  /**
   * @param sources the source table, to see who speaks.
   * @param limit participants up to which all of them are listed.
   */
  constructor(hosted: HostedConversation, sources: Int32Array, limit: number) {
    this.hosted = hosted;
    this.sources = sources;
    this.limit = limit;
    this.update(Number.POSITIVE_INFINITY);
  }

  has(number: number): boolean {
    return this.entries.has(number);
  }

  /** Looks what has changed and writes it down. @param space characters of participants that may be told. */
  update(space = MAX_LIST_LENGTH): void {
    const { participants } = this.hosted;
    const changes = new Changes(space);
    this.round++;
    this.listing = null;
    this.large = participants.size > (this.large ? this.limit * SMALL_AGAIN : this.limit);
    const dominant = participants.has(this.hosted.dominant) ? this.hosted.dominant : 0;
    for (const [number, participant] of participants) {
      const entry = this.entries.get(number) ?? this.add(number, participant);
      entry.seen = this.round;
      this.compare(entry, dominant, changes);
    }
    if (this.entries.size > participants.size) this.removeUnseen(changes);
    this.write(changes, dominant);
  }

  /** All that a newcomer has to be told: a snapshot, and further participants if one message does not hold them. */
  snapshot(self: Self): string[] {
    this.listing ??= pack([...this.entries.values()].filter(({ listed }) => listed).map(describe));
    const [first = '[]', ...more] = this.listing;
    const { total } = this;
    const snapshot = writeEvent('snapshot', {
      conversation: JSON.stringify(this.hosted.conversation.id),
      number: String(self.number),
      muted: String(self.muted),
      silenced: String(self.mutedByOperator),
      deafened: String(self.deafened),
      pinned: JSON.stringify(self.pinned),
      excluded: JSON.stringify(self.excluded),
      dominant: String(this.dominant),
      total: String(total),
      complete: String(this.complete && more.length === 0),
      participants: first,
    });
    return [
      snapshot,
      ...more.map((chunk, i) => writeParticipants(total, this.complete && i === more.length - 1, chunk)),
    ];
  }

  /** Tells who has these numbers, unless everybody in the room knows it. */
  mapping(numbers: readonly number[]): string[] {
    const unknown = numbers.flatMap((number) => this.entries.get(number) ?? []).filter(({ listed }) => !listed);
    for (const entry of unknown) entry.mapped = true;
    return pack(unknown.map(describe)).map((chunk) => writeParticipants(this.total, this.complete, chunk));
  }

  /** The participants whose numbers follow `after`, as many as are asked for and fit. */
  page(id: number | undefined, after: number, limit: number): string {
    this.numbers ??= [...this.entries.keys()];
    const { numbers } = this;
    const first = firstAbove(numbers, after);
    let next = first;
    let space = MAX_LIST_LENGTH;
    const texts: string[] = [];
    for (; next < numbers.length && texts.length < limit; next++) {
      const entry = this.entries.get(numbers[next]!)!;
      const text = describe(entry);
      if (text.length > space) break;
      entry.mapped = true;
      space -= text.length;
      texts.push(text);
    }
    return writeEvent('page', {
      ...(id === undefined ? {} : { id: String(id) }),
      total: String(this.total),
      participants: `[${texts.join(',')}]`,
      next: next < numbers.length ? String(numbers[next - 1]) : 'null',
    });
  }

  private add(number: number, participant: Participant): Entry {
    const { muted } = participant;
    const entry = { number, participant, muted, speaking: false, listed: false, mapped: false, text: null, seen: 0 };
    this.entries.set(number, entry);
    this.numbers = null;
    return entry;
  }

  /** In a large room only those who speak, and the dominant speaker, are on everybody's list. */
  private compare(entry: Entry, dominant: number, changes: Changes): void {
    const { muted } = entry.participant;
    const row = connectionIndex(entry.participant.id) * SOURCE_WORDS;
    const speaking = !muted && this.sources[row + SourceWord.Speaking] === 1;
    const wanted = !this.large || speaking || entry.number === dominant;
    const full = this.large && this.listedCount >= this.limit && entry.number !== dominant;
    const listed = wanted && (entry.listed || !full);
    if ((listed && !entry.listed) || (muted !== entry.muted && entry.mapped)) {
      this.tell(entry, muted, speaking, listed, changes);
    } else if (wanted && !listed) {
      // Beyond the list nobody is told who speaks.
      if (muted !== entry.muted) this.change(entry, muted, entry.speaking, listed);
    } else if (speaking !== entry.speaking) {
      if (changes.speaks(entry.number, speaking)) this.change(entry, muted, speaking, wanted);
    } else if (muted !== entry.muted || wanted !== entry.listed) {
      this.change(entry, muted, speaking, wanted);
    }
  }

  private tell(entry: Entry, muted: boolean, speaking: boolean, listed: boolean, changes: Changes): void {
    if (!changes.is(writeParticipant({ ...idOf(entry), muted, speaking }))) return;
    entry.mapped = true;
    this.change(entry, muted, speaking, listed);
  }

  private change(entry: Entry, muted: boolean, speaking: boolean, listed: boolean): void {
    this.listedCount += Number(listed) - Number(entry.listed);
    entry.muted = muted;
    entry.speaking = speaking;
    entry.listed = listed;
    entry.text = null;
  }

  private removeUnseen(changes: Changes): void {
    for (const [number, entry] of this.entries) {
      if (entry.seen === this.round) continue;
      if (entry.mapped && !changes.leaves(number)) continue;
      if (entry.listed) this.listedCount--;
      this.entries.delete(number);
      this.numbers = null;
    }
  }

  private write(changes: Changes, dominant: number): void {
    const total = this.entries.size;
    const complete = this.listedCount === total;
    const counts = total !== this.total || complete !== this.complete;
    const texts = changes.write(total, complete, counts);
    if (dominant !== this.dominant) texts.push(writeEvent('dominant', { number: String(dominant) }));
    this.total = total;
    this.complete = complete;
    this.dominant = dominant;
    if (texts.length === 0) return;
    this.version++;
    this.texts = texts;
  }
}

function idOf({ number, participant: { claim } }: Entry): Pick<ListedParticipant, 'number' | 'userid' | 'clientid'> {
  return { number, userid: claim.userid, clientid: claim.clientid };
}

function describe(entry: Entry): string {
  const { muted, speaking } = entry;
  entry.text ??= writeParticipant({ ...idOf(entry), muted, speaking });
  return entry.text;
}

/** Index of the first of the ascending numbers that is greater than `bound`. */
function firstAbove(numbers: readonly number[], bound: number): number {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (numbers[middle]! > bound) high = middle;
    else low = middle + 1;
  }
  return low;
}
