/**
 * What clients get from this instance while it drains, and what only the next one gives them. Pure: no sockets, no clock.
 *
 * A refusal makes the proxy ask the next instance. Users without a connection here belong there. Users with one move and
 * leave here, until they ask for something that only the next instance can give, another connection. From then on they may be
 * connected to both instances, which have to agree on their conversation: each of their joins and leaves takes effect here
 * and is refused all the same.
 */
import { drainingError, RequestError } from '../errors.ts';

/** What the rule has to know of the registry. */
export interface DrainingRegistry {
  isConnected(userid: string): boolean;
  isIn(userid: string, conversation: string): boolean;
}

export class Draining {
  private hasBegun = false;
  private readonly registry: DrainingRegistry;
  /** Users who are connected to both instances, or try to be. No more than were connected when the drain began. */
  private readonly moving = new Set<string>();

  constructor(registry: DrainingRegistry) {
    this.registry = registry;
  }

  get begun(): boolean {
    return this.hasBegun;
  }

  begin(): void {
    this.hasBegun = true;
  }

  /** A user asks for a connection. @throws RequestError `draining` if only the next instance has one. */
  connect(userid: string): void {
    if (!this.hasBegun) return;
    this.moves(userid);
    throw drainingError();
  }

  /**
   * Makes a join that is made here. A user who joins the conversation that they are in asks for another connection of theirs,
   * which waits on the next instance to be put there.
   *
   * @throws RequestError `draining` if it is the next instance's, too.
   */
  join(userid: string, conversation: string, act: () => undefined): undefined {
    if (!this.hasBegun) return act();
    if (this.registry.isIn(userid, conversation)) this.moves(userid);
    if (this.staysHere(userid)) return act();
    if (this.registry.isConnected(userid)) ignoringRefusals(act);
    throw drainingError();
  }

  /** Makes a leave that is made here. @throws RequestError `draining` if it is the next instance's, too. */
  leave(userid: string, act: () => undefined): undefined {
    if (!this.hasBegun || this.staysHere(userid)) return act();
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

/** Makes a join as far as there is room here: the next instance decides about its own. */
function ignoringRefusals(act: () => void): void {
  try {
    act();
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
  }
}
