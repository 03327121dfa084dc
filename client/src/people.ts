/** The participants and slots of a conversation, built by applying the events in order. */
import type { Participant, ServerEvent } from './protocol.ts';

export class People {
  conversation: string | null = null;
  /** This client's own number; 0 if it is in no conversation. */
  number = 0;
  total = 0;
  complete = false;
  dominant = 0;
  silenced = false;
  /** Whether the user may speak in this conversation. */
  speak = true;
  /** `muted` and `deafened` as the server has them. */
  muted = false;
  deafened = false;
  /** Whether the server reaches all others, so that nobody of the conversation is missing. */
  whole = true;
  /** Whether the conversation is recorded. */
  recording = false;
  participants: ReadonlyMap<number, Participant> = new Map();
  /** Speaker numbers by mid, without empty slots. */
  slots: ReadonlyMap<string, number> = new Map();

  /** Applies an event. Maps are replaced, never mutated, so that older ones can be compared. */
  take(event: ServerEvent): void {
    switch (event.type) {
      case 'snapshot':
        this.slots = new Map();
        this.participants = new Map();
        this.conversation = event.conversation;
        this.number = event.number;
        this.dominant = event.dominant;
        this.muted = event.muted;
        this.silenced = event.silenced;
        this.speak = event.speak ?? true;
        this.deafened = event.deafened;
        this.recording = event.recording ?? false;
        return this.#list(event.total, event.complete, event.participants);
      case 'participants':
        return this.#list(event.total, event.complete, event.changed, event.left);
      case 'page':
        return this.#list(event.total, this.complete, event.participants);
      case 'slots': {
        const slots = new Map(this.slots);
        for (const { mid, number } of event.slots) {
          if (number === 0) slots.delete(mid);
          else slots.set(mid, number);
        }
        this.slots = slots;
        return;
      }
      case 'speaking':
        return this.#setSpeaking(event.started, event.stopped);
      case 'dominant':
        this.dominant = event.number;
        return;
      case 'silenced':
        this.silenced = event.silenced;
        return;
      case 'speak':
        this.speak = event.speak;
        return;
      case 'cluster':
        this.whole = event.whole;
        return;
      case 'recording':
        this.recording = event.recording;
        return;
      default:
    }
  }

  /** Returns a copy in which nobody speaks and all slots are empty, for when nobody can be heard. */
  quiet(): People {
    const quiet = Object.assign(new People(), this);
    quiet.dominant = 0;
    quiet.slots = new Map();
    quiet.participants = new Map([...this.participants].map(([number, one]) => [number, { ...one, speaking: false }]));
    return quiet;
  }

  #list(total: number, complete: boolean, changed: readonly Participant[], left: readonly number[] = []): void {
    this.total = total;
    this.complete = complete;
    const participants = new Map(this.participants);
    for (const number of left) participants.delete(number);
    for (const participant of changed) participants.set(participant.number, participant);
    this.participants = participants;
  }

  #setSpeaking(started: readonly number[], stopped: readonly number[]): void {
    const participants = new Map(this.participants);
    const set = (number: number, speaking: boolean): void => {
      const known = participants.get(number);
      if (known !== undefined) participants.set(number, { ...known, speaking });
    };
    for (const number of started) set(number, true);
    for (const number of stopped) set(number, false);
    this.participants = participants;
  }
}

/** Returns what identifies a participant on every connection, since numbers change. */
export function keyOf({ userid, clientid }: Participant): string {
  return JSON.stringify([userid, clientid]);
}

/** The state before there is a connection. */
export const NOBODY: People = new People();
