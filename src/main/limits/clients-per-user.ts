/** Bounds how many clients each user has at a time. */
import type { Claim } from '../claim.ts';
import { RequestError } from '../errors.ts';

export class ClientsPerUser {
  private readonly limit: number;
  private readonly elsewhere: (userid: string) => readonly string[];
  /** By user and client: the number of connections, which is two while a newer one replaces an older one. */
  private readonly users = new Map<string, Map<string, number>>();

  /**
   * @param limit most clients of one user.
   * @param elsewhere returns those clients of a user that are connected to other instances; they count, too.
   */
  constructor(limit: number, elsewhere: (userid: string) => readonly string[] = () => []) {
    this.limit = limit;
    this.elsewhere = elsewhere;
  }

  /** Users with a connection. */
  get userCount(): number {
    return this.users.size;
  }

  /** Whether a client may have another connection. A known client may: the new one replaces the old one. */
  hasRoom({ userid, clientid }: Claim): boolean {
    const clients = new Set(this.users.get(userid)?.keys());
    for (const other of this.elsewhere(userid)) clients.add(other);
    return clients.size < this.limit || clients.has(clientid);
  }

  /** @throws RequestError `too-many-connections` */
  makeSureOfRoom(claim: Claim): void {
    if (this.hasRoom(claim)) return;
    const next = 'end one of them, or connect again with its clientid.';
    const detail = `All ${this.limit} connections that one user may have are in use; ${next}`;
    throw new RequestError('too-many-connections', detail, { 'Retry-After': '5' });
  }

  /** Counts a connection that was granted. */
  add({ userid, clientid }: Claim): void {
    const clients = this.users.get(userid) ?? new Map<string, number>();
    this.users.set(userid, clients);
    clients.set(clientid, (clients.get(clientid) ?? 0) + 1);
  }

  /** Stops counting a connection that ended. */
  remove({ userid, clientid }: Claim): void {
    const clients = this.users.get(userid);
    const count = clients?.get(clientid);
    if (clients === undefined || count === undefined) return;
    if (count > 1) clients.set(clientid, count - 1);
    else clients.delete(clientid);
    if (clients.size === 0) this.users.delete(userid);
  }
}
