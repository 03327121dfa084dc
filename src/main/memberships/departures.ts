/** Who goes on to the next instance while this one drains. Pure: no sockets, no clock. */

/** What it has to know of the registry. */
interface Registry {
  isConnected(userid: string): boolean;
  isIn(userid: string, conversation: string): boolean;
}

/** Whose business a join or leave is: this instance's, both's, or the next one's. */
export type Business = 'here' | 'both' | 'next';

export class Departures {
  private begun = false;
  private readonly registry: Registry;
  /** Users who are connected here and have asked for what only the next instance can give: nobody new comes, so no more than there were. */
  private readonly leaving = new Set<string>();

  constructor(registry: Registry) {
    this.registry = registry;
  }

  /** The server drains from now on. */
  begin(): void {
    this.begun = true;
  }

  /** A user asked for another connection, which the next instance will give. */
  goes(userid: string): void {
    if (this.registry.isConnected(userid)) this.leaving.add(userid);
  }

  /**
   * Who is connected here moves and leaves here. Who joins where they are already wants nothing of this instance: another
   * connection of theirs stands on the next one and waits to be put there.
   */
  ofJoin(userid: string, conversation: string): Business {
    if (this.begun && this.registry.isIn(userid, conversation)) this.goes(userid);
    return this.ofLeave(userid);
  }

  /** Who goes on may be in that conversation on both instances. */
  ofLeave(userid: string): Business {
    if (!this.begun) return 'here';
    if (!this.registry.isConnected(userid)) return 'next';
    return this.leaving.has(userid) ? 'both' : 'here';
  }
}
