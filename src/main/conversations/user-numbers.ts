/**
 * The users' numbers. A packet never goes to participants with its own user's number, so whoever lets a user take part,
 * the registry or a source without a peer, takes the number from here.
 */
export class UserNumbers {
  private readonly users = new Map<string, { readonly number: number; holders: number }>();
  private last = 0;

  /** Users with a number. */
  get size(): number {
    return this.users.size;
  }

  /**
   * Returns a user's number, above 0. All who hold it at a time get the same one; nobody else ever had it in this
   * process. Each call needs a {@link give}.
   */
  take(userid: string): number {
    const known = this.users.get(userid);
    if (known !== undefined) {
      known.holders++;
      return known.number;
    }
    this.users.set(userid, { number: ++this.last, holders: 1 });
    return this.last;
  }

  /** Gives a number back. The user gets another one once nobody holds it. */
  give(userid: string): void {
    const user = this.users.get(userid);
    if (user !== undefined && --user.holders === 0) this.users.delete(userid);
  }
}
