/**
 * Chooses the media port of a new connection. On each port, the ICE library tells clients apart by their address and
 * port before it looks at the user fragment in their first STUN request. It takes a client for the one that used the
 * same address before, even for its own earlier connection, until it has forgotten that one. Another port avoids this.
 * Pure.
 */

/**
 * Connections from which on a port is crowded. Each port has a thread. One that serves many connections wakes less often
 * for the same packets, but looks at all of its connections each time.
 */
const CROWD = 128;
/**
 * Connections that each port gets before one is filled. The server learns only later which clients share a socket, and no
 * two of these may have one port: so the few of a small service are spread.
 */
const FEW = 2;
/**
 * Connections of one host on a port from which on it counts as no reason against the port any more. Clients of a host may
 * turn out to share a socket, so the first ones get different ports; of an office, the rest go where the others go.
 */
const SAME_HOST = 8;
/** Most clients whose last ports are remembered. */
const MAX_CLIENTS = 4096;

/** A connection's hold on its port. */
export interface PortLease {
  readonly port: number;
  /** Notes that the client may use this address, written as by {@link remote}. */
  add(address: string): void;
  /** Gives the port back. The connection is gone. */
  give(): void;
}

/** Writes an address and port the way marks have them. */
export function remote(address: string, port: number | string): string {
  return `${address.toLowerCase()} ${port}`;
}

export class PortChoice {
  private readonly ports: readonly number[];
  private readonly load: number[];
  /** When each port was given out last: the number of ports given out before. */
  private readonly given: number[];
  private lastGiven = 0;
  /** Number of connections by port and mark. A mark is an address with its port, an address, or a client. */
  private readonly marks = new Map<string, number[]>();
  /** The latest ports of each client, the latest one last. */
  private readonly recent = new Map<string, number[]>();

  /** @param ports at least one. */
  constructor(ports: readonly number[]) {
    this.ports = ports;
    this.load = ports.map(() => 0);
    this.given = ports.map(() => 0);
  }

  /**
   * Takes the port where the fewest connections have one of the client's addresses. Among equals it prefers the port
   * that the client had longest ago, then the one with the fewest connections of the same host, as long as these are
   * few, then one that hardly anybody has, then the fullest that is not crowded, then the one with the fewest connections.
   *
   * @param client a name of the client. @param addresses its possible addresses, written as by {@link remote}.
   */
  take(client: string, addresses: readonly string[]): PortLease {
    const owner = `client ${client}`;
    const hosts = [...new Set(addresses.map(hostOf))];
    const past = this.recent.get(client) ?? [];
    const rank = (i: number): readonly number[] => [
      this.sum([owner, ...addresses], i),
      past.indexOf(i),
      Math.min(SAME_HOST, this.sum(hosts, i)),
      this.crowding(i),
      this.given[i]!,
    ];
    let best = 0;
    for (let i = 1; i < this.ports.length; i++) if (less(rank(i), rank(best))) best = i;
    this.remember(client, best);
    this.load[best]!++;
    this.given[best] = ++this.lastGiven;
    return this.lease(best, [owner, ...addresses, ...hosts]);
  }

  /** Least for a port that hardly anybody has, then for the fullest that is not crowded, most for the most crowded one. */
  private crowding(i: number): number {
    const load = this.load[i]!;
    if (load < FEW) return load - FEW;
    return load < CROWD ? CROWD - load : load;
  }

  private lease(i: number, first: readonly string[]): PortLease {
    const own = new Set<string>();
    const add = (mark: string): void => {
      if (own.has(mark)) return;
      own.add(mark);
      this.mark(mark, i, 1);
    };
    first.forEach(add);
    let held = true;
    return {
      port: this.ports[i]!,
      add: (address) => {
        if (!held) return;
        add(address);
        add(hostOf(address));
      },
      give: () => {
        if (!held) return;
        held = false;
        this.load[i]!--;
        for (const mark of own) this.mark(mark, i, -1);
      },
    };
  }

  private mark(mark: string, i: number, change: 1 | -1): void {
    const counts = this.marks.get(mark) ?? this.ports.map(() => 0);
    counts[i]! += change;
    if (counts.every((count) => count === 0)) this.marks.delete(mark);
    else this.marks.set(mark, counts);
  }

  private sum(marks: readonly string[], i: number): number {
    return marks.reduce((sum, mark) => sum + (this.marks.get(mark)?.[i] ?? 0), 0);
  }

  private remember(client: string, i: number): void {
    const ports = (this.recent.get(client) ?? []).filter((one) => one !== i);
    // The latest clients are at the end.
    this.recent.delete(client);
    this.recent.set(client, [...ports, i]);
    if (this.recent.size > MAX_CLIENTS) this.recent.delete(this.recent.keys().next().value!);
  }
}

function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(' '));
}

/** Whether a list is less than another: the first numbers that differ decide. */
function less(one: readonly number[], other: readonly number[]): boolean {
  for (const [i, value] of one.entries()) if (value !== other[i]) return value < other[i]!;
  return false;
}
