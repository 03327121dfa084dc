/** Which clients get a connection, and which connections give their place up for a newcomer. */
import type { Claim } from '../claim.ts';
import type { Config } from '../config.ts';
import type { IndexPool } from '../conversations/index-pool.ts';
import { RequestError } from '../errors.ts';
import { ClientsPerUser } from '../limits/clients-per-user.ts';
import type { ClientConnection } from './client-connection.ts';
import { type SetupLimits, Setups } from './setups.ts';

export interface AdmissionParts {
  readonly config: Pick<Config, 'MAX_CONNECTIONS' | 'MAX_CONNECTIONS_PER_USER'> & SetupLimits;
  readonly indexes: IndexPool;
  /** Returns the clients of a user that are connected to other instances. */
  readonly elsewhere?: (userid: string) => readonly string[];
  /** Connections by index; written here. */
  readonly receivers: (ClientConnection | undefined)[];
  /** Milliseconds, of `performance.now()`. */
  readonly now: () => number;
  /** Ends a connection whose place another one needs. */
  readonly displace: (connection: ClientConnection) => void;
}

export class Admission {
  private readonly parts: AdmissionParts;
  private readonly clients: ClientsPerUser;
  private readonly setups: Setups<ClientConnection>;

  constructor(parts: AdmissionParts) {
    this.parts = parts;
    this.clients = new ClientsPerUser(parts.config.MAX_CONNECTIONS_PER_USER, parts.elsewhere);
    this.setups = new Setups(parts.config, parts.now);
  }

  /** Whether a new connection would find no place. */
  get full(): boolean {
    return this.parts.indexes.free === 0 && this.setups.stuck() === null;
  }

  /** Connections that have not made their offer yet. */
  get waiting(): number {
    return this.setups.waitingCount;
  }

  /** Connections that are not established yet. */
  unestablished(): ClientConnection[] {
    return this.setups.all();
  }

  /**
   * Makes sure that a client may have one more connection. Another connection may have to stop waiting for it.
   *
   * @throws RequestError `too-many-connections` or `full` if there is no room.
   */
  makeRoom(claim: Claim): void {
    this.clients.makeSureOfRoom(claim);
    if (this.full) {
      const detail = `All ${this.parts.config.MAX_CONNECTIONS} connections are in use; try again later.`;
      throw new RequestError('full', detail, { 'Retry-After': '5' });
    }
    const surplus = this.setups.surplus(claim);
    if (surplus !== null) this.parts.displace(surplus);
  }

  /** Lets a connection wait for its offer. */
  add(connection: ClientConnection): void {
    this.clients.add(connection.claim);
    this.setups.add(connection);
  }

  /** The connection's offer came, and waits for its turn. */
  offered(connection: ClientConnection): void {
    this.setups.offer(connection);
  }

  /**
   * Gives an index to a connection whose offer's turn came, if need be that of a connection that gets nowhere.
   *
   * @returns false if there is none.
   */
  admit(connection: ClientConnection): boolean {
    const { indexes, receivers, displace } = this.parts;
    const stuck = indexes.free > 0 && this.setups.room ? null : this.setups.stuck();
    if (stuck !== null) displace(stuck);
    if (!this.setups.room) return false;
    const taken = indexes.take();
    if (taken === null) return false;
    connection.begin(taken);
    this.setups.connect(connection);
    receivers[taken.index] = connection;
    return true;
  }

  /** The connection is established, and its place can no longer be taken from it. */
  established(connection: ClientConnection): void {
    this.setups.remove(connection);
  }

  /** The connection has ended. It keeps its index until {@link release}. */
  ended(connection: ClientConnection): void {
    this.clients.remove(connection.claim);
    this.setups.remove(connection);
  }

  /** Nothing uses the connection's index any more. */
  release({ index }: ClientConnection): void {
    if (index < 0) return;
    this.parts.receivers[index] = undefined;
    this.parts.indexes.give(index);
  }
}
