/** Which users have connections on which instance, as their records say. */
import type { UserRecord } from './messages/record.ts';

const NOBODY: ReadonlySet<string> = new Set();

export class UsersByInstance {
  private readonly byInstance = new Map<string, Set<string>>();
  private readonly byUser = new Map<string, readonly string[]>();

  /** Notes a user's record. @param record null if it is gone. */
  set(userid: string, record: UserRecord | null): void {
    for (const incarnation of this.byUser.get(userid) ?? []) this.remove(incarnation, userid);
    const incarnations = [...new Set(record?.connections.map(({ instance }) => instance))];
    if (incarnations.length === 0) this.byUser.delete(userid);
    else this.byUser.set(userid, incarnations);
    for (const incarnation of incarnations) {
      this.byInstance.set(incarnation, (this.byInstance.get(incarnation) ?? new Set()).add(userid));
    }
  }

  /** Returns the incarnations that any record names. */
  instances(): string[] {
    return [...this.byInstance.keys()];
  }

  of(incarnation: string): ReadonlySet<string> {
    return this.byInstance.get(incarnation) ?? NOBODY;
  }

  private remove(incarnation: string, userid: string): void {
    const users = this.byInstance.get(incarnation);
    users?.delete(userid);
    if (users?.size === 0) this.byInstance.delete(incarnation);
  }
}
