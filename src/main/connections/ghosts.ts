/**
 * Two connections at one address and port, of which the ICE library serves the older one. Usually the older one is a
 * ghost: its client crashed, was closed or lost its network, and another client now has its socket, its mapping at a
 * NAT or its relayed port. The library would keep a ghost for half a minute. Here it ends as soon as it has been silent
 * for long enough while the newcomer sends STUN requests. If it is not silent, the two clients share a socket, and the
 * newcomer is told to connect again, which gets it another media port.
 */
import { performance } from 'node:perf_hooks';
import type { ClientConnection } from './client-connection.ts';

/** How long a connection must be silent to count as a ghost, milliseconds: */
const Patience = {
  /** if the newcomer is the same client; */
  own: 500,
  /** if its packets come: every 20 to 120 ms, or every 400 ms while a browser saves silence (RFC 6716, DTX); */
  publishing: 1500,
  /** if only its reports come, as from listeners and the muted. Browsers send them every 2.5 to 7.5 s; */
  reporting: 8000,
  /** if it has never sent anything. */
  nothing: 3000,
} as const;

export interface GhostActions {
  /** Ends a ghost. @param own whether its own client has the address now. */
  end(ghost: ClientConnection, own: boolean): void;
  /** Turns away a newcomer that cannot connect on its media port. */
  refuse(newcomer: ClientConnection): void;
}

export class Ghosts {
  private readonly actions: GhostActions;
  private readonly now: () => number;
  /** By ICE user fragment of the server's end. */
  private readonly connections = new Map<string, ClientConnection>();
  /** Newcomers for whom a timer runs. */
  private readonly open = new Set<ClientConnection>();

  /** @param now milliseconds, by the clock of the reports. */
  constructor(actions: GhostActions, now: () => number = () => performance.now()) {
    this.actions = actions;
    this.now = now;
  }

  /** Adds a connection, once the library has made the server's end. */
  add(connection: ClientConnection, ufrag: string): void {
    connection.ufrag = ufrag;
    this.connections.set(ufrag, connection);
  }

  delete({ ufrag }: ClientConnection): void {
    this.connections.delete(ufrag);
  }

  /** Handles a STUN request for the newcomer that reached the holder of its address. Both are ICE user fragments. */
  taken(holder: string, newcomer: string): void {
    const [older, newer] = [this.connections.get(holder), this.connections.get(newcomer)];
    if (older === undefined || newer === undefined || older === newer) return;
    if (newer.established || this.open.has(newer)) return;
    this.open.add(newer);
    const own = older.claim.userid === newer.claim.userid && older.claim.clientid === newer.claim.clientid;
    const heard = older.peer?.received;
    const stood = older.established;
    setTimeout(
      () => {
        this.open.delete(newer);
        if (older.state === 'ended' || newer.state === 'ended' || newer.established) return;
        const silent = older.peer?.received === heard && older.established === stood;
        if (silent) this.actions.end(older, own);
        else this.actions.refuse(newer);
      },
      patience(older, own, this.now()),
    );
  }
}

function patience({ peer, packetsReceived, muted, rtcp }: ClientConnection, own: boolean, now: number): number {
  if (own) return Patience.own;
  if ((peer?.received ?? 0) === 0) return Patience.nothing;
  // Nobody has looked yet in its first second.
  const publishes = rtcp.heardAt === 0 ? packetsReceived > 0 : rtcp.publishing;
  if (publishes && !muted) return Patience.publishing;
  // It may have been silent for long already, but what came since the last look is not known.
  const silent = rtcp.heardAt === 0 ? 0 : now - rtcp.heardAt;
  return Math.max(Patience.publishing, Patience.reporting - silent);
}
