/**
 * Memberships that are fetched from elsewhere, and what the registry hears of their users meanwhile. The registry's
 * word is the later one, so it counts.
 */

import type { Rights } from './rights.ts';

/** A user's membership as another process knows it. */
export interface FetchedMembership {
  /** Id of the conversation that the user is in; null for none. */
  readonly conversation: string | null;
  readonly mutedByOperator: boolean;
  /** Left out for full ones. */
  readonly rights?: Rights;
}

/** One fetch. */
export class MembershipWatch {
  private changed = false;
  /** Conversations that the user left, though the registry did not know them there. */
  private readonly left = new Set<string>();

  /** The user's membership was changed. */
  noteChange(): void {
    this.changed = true;
  }

  /** The user left a conversation that the registry did not know them to be in. */
  noteLeave(conversation: string): void {
    this.left.add(conversation);
  }

  /** Returns what still holds of a membership that was fetched; null if nothing does. */
  update(fetched: FetchedMembership): FetchedMembership | null {
    if (this.changed) return null;
    const { conversation } = fetched;
    return conversation !== null && this.left.has(conversation) ? { ...fetched, conversation: null } : fetched;
  }
}

/** All fetches. */
export class MembershipWatches {
  private readonly byUser = new Map<string, Set<MembershipWatch>>();

  /** Users whose memberships are being fetched. */
  get count(): number {
    return this.byUser.size;
  }

  begin(userid: string): MembershipWatch {
    const watch = new MembershipWatch();
    const watches = this.byUser.get(userid) ?? new Set();
    this.byUser.set(userid, watches.add(watch));
    return watch;
  }

  end(userid: string, watch: MembershipWatch): void {
    const watches = this.byUser.get(userid);
    watches?.delete(watch);
    if (watches?.size === 0) this.byUser.delete(userid);
  }

  noteChange(userid: string): void {
    for (const watch of this.byUser.get(userid) ?? []) watch.noteChange();
  }

  noteLeave(userid: string, conversation: string): void {
    for (const watch of this.byUser.get(userid) ?? []) watch.noteLeave(conversation);
  }
}
