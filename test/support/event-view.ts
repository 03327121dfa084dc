/** What a client knows from its events: applied in order, each held to the schema. */
import { type Participant, readEvents, type ServerEvent } from '../../src/main/events/schema.ts';

export class EventView {
  /** Everything that came, in order. */
  readonly all: ServerEvent[] = [];
  /** Messages that it came in. */
  messages = 0;
  conversation: string | null = null;
  /** Its own. */
  number = 0;
  total = 0;
  complete = false;
  dominant = 0;
  muted = false;
  silenced = false;
  deafened = false;
  readonly participants = new Map<number, Participant>();
  /** Numbers by mid; a slot that nobody is in is missing. */
  readonly slots = new Map<string, number>();
  /** Numbers that were in a slot before they were in a list. */
  readonly unmapped: number[] = [];

  /** @throws Error if the text does not fit the schema. */
  take(text: string): void {
    this.messages++;
    for (const { message, bad } of readEvents(text)) {
      if (bad !== null) throw new Error(`${bad.code}: ${bad.detail}: ${text}`);
      this.all.push(message);
      this.apply(message);
    }
  }

  /** The events of one type. */
  of<T extends ServerEvent['type']>(type: T): Extract<ServerEvent, { type: T }>[] {
    return this.all.filter((event): event is Extract<ServerEvent, { type: T }> => event.type === type);
  }

  /** Userids of those it knows, in order. */
  get userids(): string[] {
    return [...this.participants.values()].map(({ userid }) => userid).sort();
  }

  /** Userids of those who speak, in order. */
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
        this.deafened = event.deafened;
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
