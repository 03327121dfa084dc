/** The channel on which clients hear what happens to them, as connections see it. */
import type { TextChannel, TextReader } from '../media/text-channel.ts';
import type { ClientConnection } from './client-connection.ts';

/** Gets what happens to connections, and tells their clients. */
export interface ConnectionEvents {
  /** Label of the data channel that carries the events. */
  readonly label: string;

  /** The connection's client opened that data channel. @returns the reader of the client's messages. */
  opened(connection: ClientConnection, channel: TextChannel): TextReader;

  /** The connection's seat is in another conversation, or in none. @param kicked by an operator. */
  placed(connection: ClientConnection, kicked: boolean): void;

  /** An operator muted the connection's user, or took that back. */
  mutedByOperator(connection: ClientConnection): void;

  /** The connection's user got the right to speak where they are, or lost it. */
  letSpeak(connection: ClientConnection): void;

  /** The server cannot read any RED of the connection. */
  badRed(connection: ClientConnection): void;

  /**
   * The connection ends. May be called again.
   *
   * @param why told to its client; null if the client knows, or cannot be told.
   * @returns whether the client was told.
   */
  ended(connection: ClientConnection, why: 'replaced' | 'draining' | null): boolean;
}
