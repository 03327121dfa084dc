/** Counts connections for all gauges of a scrape, in one walk. */

/** The part of a connection that is counted. */
export interface Counted {
  readonly state: 'waiting' | 'signalling' | 'established' | 'ended';
  readonly slotCount: number;
  readonly publication: object | null;
  readonly peer: { readonly offloaded: boolean } | null;
  readonly seat: { readonly current: { readonly seats: { readonly size: number }; readonly tapped: boolean } | null };
}

export class ConnectionGauges {
  /** Connections by state. */
  readonly byState = { setup: 0, established: 0, closing: 0 };
  /** Connections in a conversation, and those of them with a publication. */
  participants = 0;
  publishers = 0;
  /** Receive slots of all participants. */
  slots = 0;
  offloaded = 0;
  /** Number of participants of the largest conversation. */
  largest = 0;
  private readonly hosts = new Set<object>();

  /** @param connections by index, with holes. */
  constructor(connections: readonly (Counted | undefined)[]) {
    for (const connection of connections) if (connection !== undefined) this.add(connection);
  }

  /** Number of conversations with connections. */
  get hosted(): number {
    return this.hosts.size;
  }

  private add({ state, slotCount, publication, peer, seat }: Counted): void {
    this.byState[state === 'established' ? 'established' : state === 'ended' ? 'closing' : 'setup']++;
    if (peer?.offloaded === true) this.offloaded++;
    const host = seat.current;
    if (host === null) return;
    this.participants++;
    if (publication !== null) this.publishers++;
    this.slots += slotCount;
    this.hosts.add(host);
    this.largest = Math.max(this.largest, host.seats.size - Number(host.tapped));
  }
}
