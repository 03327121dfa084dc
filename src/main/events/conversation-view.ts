/**
 * What the clients in one conversation know about it. All of them get the same, so each tick's changes are found and
 * written once; only the slots differ from client to client.
 *
 * A view is state, not a log. It holds what has been announced, and {@link ConversationView.update} compares that with
 * the conversation. A change that does not fit into this tick's messages is still a difference at the next tick.
 */
import { connectionIndex, SOURCE_WORDS, SourceWord } from '../../workers/protocol.ts';
import type { HostedConversation } from '../conversations/hosted-conversation.ts';
import type { Participant } from '../conversations/participant.ts';
import type { Participant as ListedParticipant } from './schema.ts';
import { isShownAlike, newShown, note, type RightsIn, type Shown } from './shown.ts';
import {
  Changes,
  MAX_LIST_LENGTH,
  type OwnState,
  pack,
  writeEvent,
  writeParticipant,
  writeParticipants,
} from './text.ts';

/**
 * A large conversation is large until it has shrunk to this share of the limit, so that it does not flip at the limit.
 */
const SMALL_AGAIN = 0.8;
/** Share of a large conversation's list that raised hands may take, so that those who speak find room. */
const HANDS_LISTED = 0.5;

/** One participant as it was announced. */
interface Entry {
  readonly number: number;
  readonly participant: Participant;
  readonly shown: Shown;
  speaking: boolean;
  /** Whether it is on the list that newcomers get. */
  listed: boolean;
  /** Whether a client got it, and so has to hear when it leaves. */
  mapped: boolean;
  /** JSON; null until it is needed. */
  text: string | null;
  /** The last round of {@link ConversationView.update} that found it. */
  seen: number;
}

/** What a snapshot says about its recipient. */
export interface Self extends OwnState {
  readonly number: number;
  readonly pinned: readonly number[];
  readonly excluded: readonly number[];
}

export class ConversationView {
  readonly hosted: HostedConversation;
  /** Counts the updates that have something to announce. */
  version = 0;
  /** The events that lead from the version before to this one. */
  texts: readonly string[] = [];
  /** Whether a client was served since the hub last cleared this. */
  used = true;
  private readonly sources: Int32Array;
  private readonly limit: number;
  private readonly rightsIn: RightsIn;
  /** How the participant is to be shown that is being compared. */
  private readonly latest = newShown();
  private readonly entries = new Map<number, Entry>();
  private large = false;
  private listedCount = 0;
  private dominant = 0;
  private recording = false;
  private total = 0;
  private complete = false;
  private round = 0;
  /** How many raised hands may still be on the list of a large conversation in this round. */
  private handsLeft = 0;
  /** All numbers in ascending order, and the list for newcomers; null if they have to be built again. */
  private numbers: readonly number[] | null = null;
  private listing: readonly string[] | null = null;

  /**
   * @param sources the source table, which says who speaks.
   * @param limit a conversation with more participants is large: it lists only some of them.
   */
  constructor(hosted: HostedConversation, sources: Int32Array, limit: number, rightsIn: RightsIn = () => null) {
    this.hosted = hosted;
    this.sources = sources;
    this.limit = limit;
    this.rightsIn = rightsIn;
    this.update(Number.POSITIVE_INFINITY);
  }

  has(number: number): boolean {
    return this.entries.has(number);
  }

  /** Finds the changes and writes their events. @param space characters of participants that these may have. */
  update(space = MAX_LIST_LENGTH): void {
    const { participants } = this.hosted;
    const changes = new Changes(space);
    this.round++;
    this.listing = null;
    this.handsLeft = this.limit * HANDS_LISTED;
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

  /** Writes a newcomer's events: a snapshot, and further participants if they do not fit into it. */
  snapshot(self: Self): string[] {
    this.listing ??= pack([...this.entries.values()].filter(({ listed }) => listed).map(describe));
    const [first = '[]', ...more] = this.listing;
    const { total } = this;
    const snapshot = writeEvent('snapshot', {
      conversation: JSON.stringify(this.hosted.conversation.id),
      number: String(self.number),
      muted: String(self.muted),
      silenced: String(self.mutedByOperator),
      speak: String(self.maySpeak),
      deafened: String(self.deafened),
      pinned: JSON.stringify(self.pinned),
      excluded: JSON.stringify(self.excluded),
      dominant: String(this.dominant),
      total: String(total),
      complete: String(this.complete && more.length === 0),
      recording: String(this.recording),
      participants: first,
    });
    return [
      snapshot,
      ...more.map((chunk, i) => writeParticipants(total, this.complete && i === more.length - 1, chunk)),
    ];
  }

  /** Writes who has these numbers, without the participants on the list, whom everybody knows. */
  mapping(numbers: readonly number[]): string[] {
    const unknown = numbers.flatMap((number) => this.entries.get(number) ?? []).filter(({ listed }) => !listed);
    for (const entry of unknown) entry.mapped = true;
    return pack(unknown.map(describe)).map((chunk) => writeParticipants(this.total, this.complete, chunk));
  }

  /** Writes a page of participants, those with the next numbers above `after`: at most `limit`, and as many as fit. */
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
    const shown = newShown();
    note(shown, participant, shown, null, '');
    const entry = { number, participant, shown, speaking: false, listed: false, mapped: false, text: null, seen: 0 };
    this.entries.set(number, entry);
    this.numbers = null;
    return entry;
  }

  /**
   * Compares one participant with its entry. In a large conversation, only those who speak, the dominant speaker and
   * some of those who raise their hands are on the list.
   */
  private compare(entry: Entry, dominant: number, changes: Changes): void {
    const { participant, shown } = entry;
    const { latest } = this;
    const { id } = this.hosted.conversation;
    note(latest, participant, shown, this.rightsIn(participant.claim.userid, id), id);
    // In a large conversation there would be too many changes to tell.
    if (this.large) latest.quality = null;
    const changed = !isShownAlike(latest, shown);
    const speaking = !latest.muted && this.speaks(participant);
    const wanted = !this.large || speaking || entry.number === dominant || (latest.hand && this.handsLeft-- > 0);
    const full = this.large && this.listedCount >= this.limit && entry.number !== dominant;
    const listed = wanted && (entry.listed || !full);
    if ((listed && !entry.listed) || (changed && entry.mapped)) {
      this.tell(entry, speaking, listed, changes);
    } else if (wanted && !listed) {
      // If the list is full, further speakers are not announced.
      if (changed) this.change(entry, entry.speaking, listed);
    } else if (speaking !== entry.speaking) {
      if (changes.speaks(entry.number, speaking)) this.change(entry, speaking, wanted);
    } else if (changed || wanted !== entry.listed) {
      this.change(entry, speaking, wanted);
    }
  }

  /** Whether somebody speaks, by their own instance or by this one's worker, which may not know them. */
  private speaks({ id, speaks }: Participant): boolean {
    if (speaks === true) return true;
    return id >= 0 && this.sources[connectionIndex(id) * SOURCE_WORDS + SourceWord.Speaking] === 1;
  }

  private tell(entry: Entry, speaking: boolean, listed: boolean, changes: Changes): void {
    if (!changes.is(writeParticipant({ ...idOf(entry), ...this.latest, speaking }))) return;
    entry.mapped = true;
    this.change(entry, speaking, listed);
  }

  private change(entry: Entry, speaking: boolean, listed: boolean): void {
    this.listedCount += Number(listed) - Number(entry.listed);
    Object.assign(entry.shown, this.latest);
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
    const { recorded } = this.hosted;
    if (recorded !== this.recording) texts.push(writeEvent('recording', { recording: String(recorded) }));
    this.total = total;
    this.complete = complete;
    this.dominant = dominant;
    this.recording = recorded;
    if (texts.length === 0) return;
    this.version++;
    this.texts = texts;
  }
}

function idOf({ number, participant: { claim } }: Entry): Pick<ListedParticipant, 'number' | 'userid' | 'clientid'> {
  return { number, userid: claim.userid, clientid: claim.clientid };
}

function describe(entry: Entry): string {
  const { shown, speaking } = entry;
  entry.text ??= writeParticipant({ ...idOf(entry), ...shown, speaking });
  return entry.text;
}

/** Returns the index of the first of the ascending numbers that is greater than `bound`. */
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
