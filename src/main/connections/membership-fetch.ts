/** The fetch of a user's membership from elsewhere, for a connection that is being set up. */
import type { FetchedMembership, MembershipWatch, MembershipWatches } from '../conversations/membership-watch.ts';

/** Knows more of memberships than this process' registry. */
export interface MembershipSource {
  /**
   * Asks where a user belongs.
   *
   * @returns null if the registry knows all there is to know; otherwise the membership once it is known.
   */
  of(userid: string): Promise<FetchedMembership> | null;
}

/** Told how a fetch ends; nothing more once it was ended. */
export interface FetchListener {
  /** The membership is known, and the peer waits for it. */
  arrived(): void;
  failed(error: unknown): void;
}

export class MembershipFetch {
  private peerWaits = false;
  private ended = false;
  private fetched: FetchedMembership | null = null;
  private readonly userid: string;
  private readonly watches: MembershipWatches;
  private readonly watch: MembershipWatch;

  private constructor(userid: string, watches: MembershipWatches) {
    this.userid = userid;
    this.watches = watches;
    this.watch = watches.begin(userid);
  }

  /**
   * Begins to fetch a membership. From now on, what the registry hears of the user counts more than what is fetched.
   *
   * @returns null if the registry knows all there is to know.
   */
  static begin(
    source: MembershipSource | undefined,
    userid: string,
    watches: MembershipWatches,
    listener: FetchListener,
  ): MembershipFetch | null {
    const answer = source?.of(userid) ?? null;
    if (answer === null) return null;
    const fetch = new MembershipFetch(userid, watches);
    const arrived = (fetched: FetchedMembership): void => {
      fetch.fetched = fetched;
      if (fetch.peerWaits && !fetch.ended) listener.arrived();
    };
    const failed = (error: unknown): void => {
      if (!fetch.ended) listener.failed(error);
    };
    // Errors of the listener itself end its connection, too: nothing else would.
    answer.then(arrived, failed).catch((error: unknown) => listener.failed(error));
    return fetch;
  }

  /** Whether the peer is connected and waits for the membership alone. */
  get awaited(): boolean {
    return this.peerWaits;
  }

  /** Returns whether the peer, which is connected, need not wait; if it must, the listener is told of the arrival. */
  ready(): boolean {
    this.peerWaits = true;
    return this.fetched !== null;
  }

  /** Ends the watch. @returns what still holds of the membership; null if the registry knows better. */
  end(): FetchedMembership | null {
    this.ended = true;
    this.watches.end(this.userid, this.watch);
    return this.fetched === null ? null : this.watch.update(this.fetched);
  }
}
