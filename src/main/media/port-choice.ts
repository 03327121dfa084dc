/**
 * Which media port a new connection gets. On each port the ICE library tells clients apart by their address and port, and
 * knows these before the name in their first STUN request: a client that comes from where another one came, or itself a
 * moment ago, is taken for that one until the library has forgotten it. On another port nobody knows it. Pure.
 */

/** Clients whose last ports are remembered. */
const MAX_CLIENTS = 4096;

/** A connection's hold on its port. */
export interface PortLease {
  readonly port: number;
  /** The client may be seen at this address, written as by {@link remote}. */
  add(address: string): void;
  /** The connection is gone. */
  give(): void;
}

/** An address and port as the ledger has it. */
export function remote(address: string, port: number | string): string {
  return `${address.toLowerCase()} ${port}`;
}

export class PortChoice {
  private readonly ports: readonly number[];
  private readonly load: number[];
  /** When each was given last, by count. */
  private readonly given: number[];
  private lastGiven = 0;
  /** How many connections on each port have a mark: an address with its port, an address, or a client. */
  private readonly marks = new Map<string, number[]>();
  /** The ports that a client had last, the latest last. */
  private readonly recent = new Map<string, number[]>();

  /** @param ports at least one. */
  constructor(ports: readonly number[]) {
    this.ports = ports;
    this.load = ports.map(() => 0);
    this.given = ports.map(() => 0);
  }

  /**
   * Takes the port on which nobody has the client's address, or else fewest have; that the client had longest ago; where
   * fewest of its host are; with the fewest connections.
   *
   * @param client who it is. @param addresses where it says it may be seen, written as by {@link remote}.
   */
  take(client: string, addresses: readonly string[]): PortLease {
    const owner = `client ${client}`;
    const hosts = [...new Set(addresses.map(hostOf))];
    const past = this.recent.get(client) ?? [];
    const rank = (i: number): readonly number[] => [
      this.sum([owner, ...addresses], i),
      past.indexOf(i),
      this.sum(hosts, i),
      this.load[i]!,
      this.given[i]!,
    ];
    let best = 0;
    for (let i = 1; i < this.ports.length; i++) if (less(rank(i), rank(best))) best = i;
    this.remember(client, best);
    this.load[best]!++;
    this.given[best] = ++this.lastGiven;
    return this.lease(best, [owner, ...addresses, ...hosts]);
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
    // Those who came last stand last.
    this.recent.delete(client);
    this.recent.set(client, [...ports, i]);
    if (this.recent.size > MAX_CLIENTS) this.recent.delete(this.recent.keys().next().value!);
  }
}

function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(' '));
}

/** Whether the first number in which two lists differ is less in the first. */
function less(one: readonly number[], other: readonly number[]): boolean {
  for (const [i, value] of one.entries()) if (value !== other[i]) return value < other[i]!;
  return false;
}
