/**
 * Decides, while this instance drains, what it still does for users and what only the next instance does. Pure: no
 * sockets, no clock.
 *
 * A refusal makes the proxy ask the next instance. Users without a connection here belong to that one. Users with a
 * connection here join and leave here, until they ask for another connection, which only the next instance can give.
 * From then on they may be connected to both, and both have to agree on their conversation: each of their joins and
 * leaves takes effect here and is refused nevertheless.
 *
 * The instances of a cluster share the memberships. There only a connection is refused.
 */
import { drainingError, RequestError } from '../errors.ts';
import type { Done } from './membership-store.ts';

/** The part of the registry that the rule needs. */
export interface DrainingRegistry {
  isConnected(userid: string): boolean;
  isIn(userid: string, conversation: string): boolean;
}

export class Draining {
  private hasBegun = false;
  private readonly registry: DrainingRegistry;
  private readonly shared: boolean;
  /** Users who may be connected to both instances. Bounded by those who were connected when the drain began. */
  private readonly moving = new Set<string>();

  /** @param shared whether other instances know of each join and leave that is made here. */
  constructor(registry: DrainingRegistry, shared = false) {
    this.registry = registry;
    this.shared = shared;
  }

  get begun(): boolean {
    return this.hasBegun;
  }

  begin(): void {
    this.hasBegun = true;
  }

  /** Notes that a user asks for a connection. @throws RequestError `draining` while the drain goes on. */
  connect(userid: string): void {
    if (!this.hasBegun) return;
    this.moves(userid);
    throw drainingError();
  }

  /**
   * Makes a join, if it takes effect here. A user who joins their own conversation again does so for another
   * connection, which waits on the next instance to be placed.
   *
   * @throws RequestError `draining` if the next instance has to make the join, too.
   */
  join(userid: string, conversation: string, act: () => Done): Done {
    if (!this.hasBegun || this.shared) return act();
    if (this.registry.isIn(userid, conversation)) this.moves(userid);
    if (this.staysHere(userid)) return act();
    if (this.registry.isConnected(userid)) ignoringRefusals(act);
    throw drainingError();
  }

  /**
   * Makes a leave, if it takes effect here.
   *
   * @throws RequestError `draining` if the next instance has to make it, too.
   */
  leave(userid: string, act: () => Done): Done {
    if (!this.hasBegun || this.shared || this.staysHere(userid)) return act();
    if (this.registry.isConnected(userid)) act();
    throw drainingError();
  }

  private moves(userid: string): void {
    if (this.registry.isConnected(userid)) this.moving.add(userid);
  }

  private staysHere(userid: string): boolean {
    return this.registry.isConnected(userid) && !this.moving.has(userid);
  }
}

/** Makes a join if there is room here. Whether there is room on the next instance is for that one to decide. */
function ignoringRefusals(act: () => void): void {
  try {
    act();
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
  }
}
