/**
 * The users of one conversation, each with however many participants. A user's packets never go to the user's own
 * participants, and all of these share one right to take slots from people who are talking.
 */
import type { ParticipantInfo } from './participant.ts';
import { Captures } from './selection.ts';

interface User {
  participants: number;
  /** How many of them publish: the user hears none of these. */
  publishers: number;
  /** How many of them have slots. */
  listeners: number;
  readonly captures: Captures;
}

export class Users {
  /** Participants with slots. */
  private listeners = 0;
  private readonly users = new Map<number, User>();
  /** Users who left but are still known, in the order in which they left. */
  private readonly departed: number[] = [];

  /** Adds a participant. @returns its user's right to take slots. */
  add({ user: key, publication, rows }: ParticipantInfo): Captures {
    let user = this.users.get(key);
    if (user === undefined) {
      user = { participants: 0, publishers: 0, listeners: 0, captures: new Captures() };
      this.users.set(key, user);
    }
    user.participants++;
    if (publication !== null) user.publishers++;
    if (rows.length > 0) {
      user.listeners++;
      this.listeners++;
    }
    return user.captures;
  }

  /** Takes a participant out that was added. */
  remove({ user: key, publication, rows }: ParticipantInfo): void {
    const user = this.users.get(key)!;
    if (publication !== null) user.publishers--;
    if (rows.length > 0) {
      user.listeners--;
      this.listeners--;
    }
    if (--user.participants === 0) this.departed.push(key);
  }

  participantsOf(user: number): number {
    return this.users.get(user)?.participants ?? 0;
  }

  publishersOf(user: number): number {
    return this.users.get(user)?.publishers ?? 0;
  }

  /** Whether anybody else has slots, so that a user can be heard. */
  hear(user: number): boolean {
    return this.listeners > (this.users.get(user)?.listeners ?? 0);
  }

  /**
   * Forgets users who left once their right to take slots is whole again: coming back must not renew it.
   *
   * @param clock now, ticks.
   */
  forgetDeparted(clock: number): void {
    for (let key = this.departed[0]; key !== undefined; key = this.departed[0]) {
      const user = this.users.get(key);
      if (user?.participants === 0) {
        if (!user.captures.full(clock)) return;
        this.users.delete(key);
      }
      this.departed.shift();
    }
  }
}
