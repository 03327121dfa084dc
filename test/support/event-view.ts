/** A client's knowledge from its events: it checks each event against the schema and applies them in order. */
import { type Participant, readEvents, type ServerEvent } from '../../src/main/events/schema.ts';

export class EventView {
  /** All events, in order. */
  readonly all: ServerEvent[] = [];
  /** Number of messages in which they arrived. */
  messages = 0;
  conversation: string | null = null;
  /** Its own speaker number. */
  number = 0;
  total = 0;
  complete = false;
  dominant = 0;
  muted = false;
  silenced = false;
  speak = true;
  deafened = false;
  whole = true;
  recording = false;
  readonly participants = new Map<number, Participant>();
  /** Speaker numbers by mid; empty slots are missing. */
  readonly slots = new Map<string, number>();
  /** Speaker numbers that were in a slot before any list named them. */
  readonly unmapped: number[] = [];

  /** Applies a message. @throws Error if the text does not fit the schema. */
  take(text: string): void {
    this.messages++;
    for (const { message, bad } of readEvents(text)) {
      if (bad !== null) throw new Error(`${bad.code}: ${bad.detail}: ${text}`);
      this.all.push(message);
      this.apply(message);
    }
  }

  /** Returns the events of one type. */
  of<T extends ServerEvent['type']>(type: T): Extract<ServerEvent, { type: T }>[] {
    return this.all.filter((event): event is Extract<ServerEvent, { type: T }> => event.type === type);
  }

  /** Userids of all known participants, sorted. */
  get userids(): string[] {
    return [...this.participants.values()].map(({ userid }) => userid).sort();
  }

  /** Userids of the speaking participants, sorted. */
  get speaking(): string[] {
    return [...this.participants.values()]
      .filter(({ speaking }) => speaking)
      .map(({ userid }) => userid)
      .sort();
  }

  named(userid: string): Participant | undefined {
    return [...this.participants.values()].find((participant) => participant.userid === userid);
  }

  private apply(event: ServerEvent): void {
    switch (event.type) {
      case 'snapshot':
        this.participants.clear();
        this.slots.clear();
        this.conversation = event.conversation;
        this.number = event.number;
        this.dominant = event.dominant;
        this.muted = event.muted;
        this.silenced = event.silenced;
        this.speak = event.speak ?? true;
        this.deafened = event.deafened;
        this.recording = event.recording ?? false;
        return this.list(event.total, event.complete, event.participants);
      case 'participants':
        for (const number of event.left) this.participants.delete(number);
        return this.list(event.total, event.complete, event.changed);
      case 'page':
        return this.list(event.total, this.complete, event.participants);
      case 'slots':
        for (const { mid, number } of event.slots) {
          if (number === 0) this.slots.delete(mid);
          else this.slots.set(mid, number);
          if (number !== 0 && !this.participants.has(number)) this.unmapped.push(number);
        }
        return;
      case 'speaking':
        for (const number of event.started) this.speaks(number, true);
        for (const number of event.stopped) this.speaks(number, false);
        return;
      case 'dominant':
        this.dominant = event.number;
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

  private list(total: number, complete: boolean, participants: readonly Participant[]): void {
    this.total = total;
    this.complete = complete;
    for (const participant of participants) this.participants.set(participant.number, participant);
  }

  private speaks(number: number, speaking: boolean): void {
    const participant = this.participants.get(number);
    if (participant !== undefined) this.participants.set(number, { ...participant, speaking });
  }
}
