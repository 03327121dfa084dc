/**
 * The life of connections in the log and in the metrics: one line and one count for each event. These lines never hold
 * anything that a client sent (SDP), nor its addresses.
 */
import { SLOT_WORDS, Slot } from '../../rtp/rewriter.ts';
import type { Conversation } from '../conversations/occupied.ts';
import type { Log } from '../log/log.ts';
import type { EndReason, SetupFailure, Telemetry } from '../telemetry.ts';
import type { ClientConnection } from './client-connection.ts';
import type { ConnectionsParts } from './connections-parts.ts';

/** Advice to operators; the client gets its own as an event. */
const BAD_RED_NEXT =
  'Leave audio/red out of the client (setCodecPreferences) if it encrypts frames end to end; otherwise let it send ' +
  'RED as RFC 2198 has it. RED=off does without RED for all clients that connect afterwards.';

/** Why a connection failed that was never established, where the reason of its end says so. */
const FAILURES: Readonly<Record<EndReason, SetupFailure>> = {
  replaced: 'replaced',
  gone: 'transport-failed',
  flooded: 'too-many-messages',
  signalling: 'internal',
  draining: 'draining',
  full: 'full',
};

export class ConnectionLog {
  private readonly log: Log;
  private readonly telemetry: Telemetry;
  private readonly slots: Int32Array;
  private readonly slotsPerConnection: number;
  private readonly now: () => number;

  /** @param now milliseconds, of `performance.now()`. */
  constructor(
    { log, telemetry, slots }: Pick<ConnectionsParts, 'log' | 'telemetry' | 'slots'>,
    slotsPerConnection: number,
    now: () => number,
  ) {
    this.now = now;
    this.log = log;
    this.telemetry = telemetry;
    this.slots = slots;
    this.slotsPerConnection = slotsPerConnection;
  }

  /** @param conversation where the connection begins. */
  established(connection: ClientConnection, conversation: Conversation | null): void {
    const setupMs = connection.establishedAt - connection.since;
    const { slotCount: slots, publication } = connection;
    const what = { slots, publishes: publication !== null, setupMs: Math.round(setupMs) };
    this.log.info({ ...who(connection, conversation), ...what }, 'connection established');
    this.telemetry.established(setupMs);
  }

  /**
   * Logs a join, move or leave, before the connection is placed. Placing it where it is logs nothing.
   *
   * @param kicked by an operator.
   */
  placed(connection: ClientConnection, conversation: Conversation | null, kicked: boolean): void {
    const from = connection.seat.destination;
    if (from === conversation) return;
    const reason = kicked ? 'kicked' : 'request';
    if (conversation === null) this.log.info({ ...who(connection, from), reason }, 'connection left');
    else if (from === null) this.log.info({ ...who(connection, conversation), reason }, 'connection joined');
    else this.log.info({ ...who(connection, conversation), from: from.id, reason }, 'connection moved');
  }

  /** No RED of the connection can be read, so nobody hears it. */
  badRed(connection: ClientConnection): void {
    this.log.warn(
      { ...who(connection, connection.seat.destination), next: BAD_RED_NEXT },
      'nothing of the RED of a client can be read',
    );
    this.telemetry.badRed();
  }

  /**
   * @param wasEstablished whether it ever was.
   * @param cause why it was not, where the reason does not say so.
   */
  ended(
    connection: ClientConnection,
    wasEstablished: boolean,
    reason: EndReason,
    detail: string,
    cause?: SetupFailure,
  ): void {
    const now = this.now();
    const failure = cause ?? (reason === 'replaced' ? givenUp(connection) : FAILURES[reason]);
    const seconds = Math.round(now - connection.since) / 1000;
    const packets = { packetsReceived: connection.packetsReceived, packetsSent: this.sent(connection) };
    const quality = connection.rtcp.quality.summary();
    const why = { reason, ...(wasEstablished ? {} : { cause: failure }), detail };
    this.log.info(
      { ...who(connection, connection.seat.destination), ...why, seconds, ...packets, ...quality },
      'connection ended',
    );
    if (wasEstablished) this.telemetry.ended(reason, now - connection.establishedAt);
    else this.telemetry.failed(failure);
  }

  /** Returns how many packets the connection's slots have carried. */
  private sent({ index, slotCount }: ClientConnection): number {
    let packets = 0;
    for (let slot = 0; slot < slotCount; slot++) {
      packets += this.slots[(index * this.slotsPerConnection + slot) * SLOT_WORDS + Slot.Packets]! >>> 0;
    }
    return packets;
  }
}

/** Returns how far a connection got that its client gave up for a newer one. */
function givenUp({ answeredAt, reachable }: ClientConnection): SetupFailure {
  if (answeredAt === 0) return 'replaced';
  return reachable ? 'no-dtls' : 'no-ice';
}

function who(
  { logged, request, claim: { userid, clientid } }: ClientConnection,
  conversation: Conversation | null,
): Record<string, unknown> {
  return { connection: logged, request, userid, clientid, conversation: conversation?.id ?? null };
}
