/** The users whom the registry knows, and which of them have no connection. Pure, as the registry is. */
import { isIdle, newUser, type User } from './registry-user.ts';
import type { UserNumbers } from './user-numbers.ts';

export class RegistryUsers<C> {
  private readonly users = new Map<string, User<C>>();
  /** Users without a connection here or elsewhere, in the order in which they lost their last one. */
  private readonly waiting = new Map<string, User<C>>();
  private readonly limit: number;
  private readonly patience: number;
  private readonly numbers: UserNumbers;

  /**
   * @param limit most users, connected or with a membership. @param patience how long a membership outlasts its user's
   *   last connection, milliseconds.
   */
  constructor(limit: number, patience: number, numbers: UserNumbers) {
    this.limit = limit;
    this.patience = patience;
    this.numbers = numbers;
  }

  get size(): number {
    return this.users.size;
  }

  /** Whether there is no room for another one. */
  get full(): boolean {
    return this.users.size >= this.limit;
  }

  get(userid: string): User<C> | undefined {
    return this.users.get(userid);
  }

  entries(): Iterable<[userid: string, user: User<C>]> {
    return this.users;
  }

  /** Returns a user, who is added if there is room; null if there is none. */
  enter(userid: string): User<C> | null {
    const known = this.users.get(userid);
    if (known !== undefined) return known;
    return this.full ? null : this.add(userid);
  }

  /** Adds a user who is not known, whatever the limit. */
  add(userid: string): User<C> {
    const user = newUser<C>(this.numbers.take(userid));
    this.users.set(userid, user);
    return user;
  }

  drop(userid: string): void {
    this.users.delete(userid);
    this.waiting.delete(userid);
    this.numbers.give(userid);
  }

  dropIfIdle(userid: string, user: User<C>): void {
    if (isIdle(user)) this.drop(userid);
  }

  /** Starts, or restarts, the time that a user without a connection is remembered. @param now milliseconds. */
  wait(userid: string, user: User<C>, now: number): void {
    if (user.connections.size > 0 || user.elsewhere > 0) return;
    user.forgetAt = now + this.patience;
    this.waiting.delete(userid);
    this.waiting.set(userid, user);
  }

  /** Looks at a user who has expired later again. */
  waitAgain(userid: string, now: number): void {
    const user = this.waiting.get(userid);
    if (user !== undefined) this.wait(userid, user, now);
  }

  /** A user has a connection again. */
  endWait(userid: string): void {
    this.waiting.delete(userid);
  }

  /** Whether a user has been without any connection for too long. */
  hasExpired(userid: string, now: number): boolean {
    const user = this.waiting.get(userid);
    return user !== undefined && user.forgetAt <= now;
  }

  /** Returns the users who have been without any connection for too long, in the order in which they lost it. */
  *expired(now: number): Iterable<string> {
    for (const [userid, { forgetAt }] of this.waiting) {
      if (forgetAt > now) return;
      yield userid;
    }
  }
}
