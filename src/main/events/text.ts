/** Writes events as text. They consist of parts that are JSON already, so that many events can share one part. */
import { EVENTS_VERSION, type Participant, type ServerEvent } from './schema.ts';

/**
 * Characters of events in one message. A character may have three bytes in UTF-8, and a message stays below the 65,536
 * bytes that every client accepts (RFC 8841, section 6).
 */
export const MAX_BATCH_LENGTH = 20_000;
/** Characters of participants in one event. */
export const MAX_LIST_LENGTH = 12_000;
/** Numbers in one list of an event. Together with the participants they are shorter than a batch. */
const MAX_NUMBERS = 500;

/** Writes an event. @param members JSON by name. */
export function writeEvent(type: ServerEvent['type'], members: Readonly<Record<string, string>> = {}): string {
  let text = `{"v":${EVENTS_VERSION},"type":"${type}"`;
  for (const [name, json] of Object.entries(members)) text += `,"${name}":${json}`;
  return `${text}}`;
}

/** What a client is told of itself, in a conversation and outside of one. */
export interface OwnState {
  /** By the client itself. */
  readonly muted: boolean;
  readonly mutedByOperator: boolean;
  readonly maySpeak: boolean;
  readonly deafened: boolean;
}

/** Returns the snapshot of somebody who is in no conversation. */
export function writeNowhere({ muted, mutedByOperator, maySpeak, deafened }: OwnState): string {
  return writeEvent('snapshot', {
    conversation: 'null',
    number: '0',
    muted: String(muted),
    silenced: String(mutedByOperator),
    speak: String(maySpeak),
    deafened: String(deafened),
    pinned: '[]',
    excluded: '[]',
    dominant: '0',
    total: '0',
    complete: 'true',
    recording: 'false',
    participants: '[]',
  });
}

/** A participant as it is written. */
export interface ShownParticipant extends Omit<Participant, 'metadata' | 'name' | 'quality'> {
  readonly quality?: Participant['quality'] | null;
  readonly name?: string | null;
  /** JSON. */
  readonly metadata?: string | null;
}

/** Writes one participant for a list. What is rare costs nothing where it is missing. */
export function writeParticipant(participant: ShownParticipant): string {
  const { number, userid, clientid, muted, speaking, deafened, hand, speak } = participant;
  const { quality = null, name = null, metadata } = participant;
  const text = JSON.stringify({
    ...{ number, userid, clientid, muted, speaking },
    ...(deafened === true ? { deafened } : {}),
    ...(hand === true ? { hand } : {}),
    ...(speak === false ? { speak } : {}),
    ...(quality === null ? {} : { quality }),
    ...(name === null ? {} : { name }),
  });
  return typeof metadata === 'string' ? `${text.slice(0, -1)},"metadata":${metadata}}` : text;
}

/** Writes a `participants` event. @param changed a JSON list. */
export function writeParticipants(
  total: number,
  complete: boolean,
  changed: string,
  left: readonly number[] = [],
): string {
  return writeEvent('participants', {
    total: String(total),
    complete: String(complete),
    changed,
    left: JSON.stringify(left),
  });
}

/** Packs JSON values into JSON lists, each of which fits into one event. */
export function pack(items: readonly string[]): string[] {
  const lists: string[] = [];
  let list = '';
  for (const item of items) {
    if (list !== '' && list.length + item.length >= MAX_LIST_LENGTH) {
      lists.push(`[${list}]`);
      list = '';
    }
    list += list === '' ? item : `,${item}`;
  }
  if (list !== '') lists.push(`[${list}]`);
  return lists;
}

/** The changes of one tick, as far as they fit; the others are left to the next tick. */
export class Changes {
  private readonly changed: string[] = [];
  private readonly left: number[] = [];
  private readonly started: number[] = [];
  private readonly stopped: number[] = [];
  private space: number;

  /** @param space characters of participants. */
  constructor(space: number) {
    this.space = space;
  }

  /** A participant is new or has changed. @returns false if it does not fit. */
  is(participant: string): boolean {
    if (participant.length > this.space) return false;
    this.space -= participant.length + 1;
    this.changed.push(participant);
    return true;
  }

  /** A participant has left. @returns false if it does not fit. */
  leaves(number: number): boolean {
    return add(this.left, number);
  }

  /** A participant began or stopped speaking. @returns false if it does not fit. */
  speaks(number: number, speaking: boolean): boolean {
    return add(speaking ? this.started : this.stopped, number);
  }

  /** Writes the events of these changes. @param counts whether `total` or `complete` has changed. */
  write(total: number, complete: boolean, counts: boolean): string[] {
    const { changed, left, started, stopped } = this;
    const texts: string[] = [];
    if (counts || changed.length > 0 || left.length > 0) {
      texts.push(writeParticipants(total, complete, `[${changed.join(',')}]`, left));
    }
    if (started.length > 0 || stopped.length > 0) {
      texts.push(writeEvent('speaking', { started: JSON.stringify(started), stopped: JSON.stringify(stopped) }));
    }
    return texts;
  }
}

function add(list: number[], number: number): boolean {
  if (list.length === MAX_NUMBERS) return false;
  list.push(number);
  return true;
}
