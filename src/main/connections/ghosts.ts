/**
 * Two connections at one address and port, of which the ICE library serves the older: usually a ghost, whose client crashed, was
 * closed or lost its way, and whose socket, mapping at a NAT or relayed port another client has now. The library would keep
 * a ghost for half a minute. It is ended as soon as it has been silent for long enough while the newcomer knocks; if it is not
 * silent the two share a socket, and the newcomer is told to come again, for another media port.
 */
import type { ClientConnection } from './client-connection.ts';

/** How long a connection must be silent, milliseconds: */
const Patience = {
  /** if the newcomer is the same client; */
  own: 500,
  /** if it publishes: media comes every 20 to 120 ms, and every 400 ms while a browser saves silence (RFC 6716, DTX); */
  publishing: 1500,
  /** if all that it ever sent were reports, which browsers send every 2.5 to 7.5 s; */
  reporting: 8000,
  /** if it never sent anything. */
  mute: 3000,
} as const;

export interface GhostActions {
  /** @param own whether its own client took its address. */
  end(ghost: ClientConnection, own: boolean): void;
  /** The newcomer cannot connect on its media port. */
  refuse(newcomer: ClientConnection): void;
}

export class Ghosts {
  private readonly actions: GhostActions;
  /** By the ICE user fragment of the server's end. */
  private readonly connections = new Map<string, ClientConnection>();
  /** Newcomers whose case is open. */
  private readonly open = new Set<ClientConnection>();

  constructor(actions: GhostActions) {
    this.actions = actions;
  }

  /** A connection's end in the library was made. */
  add(connection: ClientConnection, ufrag: string): void {
    connection.ufrag = ufrag;
    this.connections.set(ufrag, connection);
  }

  delete({ ufrag }: ClientConnection): void {
    this.connections.delete(ufrag);
  }

  /** A STUN request for the newcomer came to the holder of its address; both are told by their ICE user fragments. */
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
      patience(older, own),
    );
  }
}

function patience({ peer, packetsReceived }: ClientConnection, own: boolean): number {
  if (own) return Patience.own;
  if (packetsReceived > 0) return Patience.publishing;
  return (peer?.received ?? 0) > 0 ? Patience.reporting : Patience.mute;
}
