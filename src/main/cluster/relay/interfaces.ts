/**
 * What the relay of media needs from presence, and what it offers to it. Presence knows who is where; the relay knows
 * packets.
 */

import type { Publication } from '../../../workers/protocol.ts';
import type { RelayedSource } from '../../rtcp/relayed-loss.ts';

/** A participant of another instance, as the relay sees it: `RemoteParticipant`. */
export interface RemoteSource extends RelayedSource {
  /**
   * Takes one RTP packet as its own instance got it. Called for each packet on the main thread, so it must be quick and
   * should allocate nothing.
   *
   * @param bytes valid during the call alone.
   */
  hear(bytes: Uint8Array): void;
}

/** A source as its own instance announces it, before its first packet. All of it is validated. */
export interface AnnouncedSource {
  /** Its connection id on its own instance: `s` in presence. */
  readonly source: number;
  readonly userid: string;
  readonly clientid: string;
  readonly publication: Publication;
  readonly muted: boolean;
}

/** A conversation that spans instances. Presence implements it, one object for each, the same from open to close. */
export interface RelayedConversation {
  /** Key of the conversation in this process. */
  readonly key: number;
  /** Where its media travel, of `Subjects.media`. */
  readonly mediaSubject: string;
  /** Whether clients of this instance listen, so that the packets of the others are taken. */
  readonly listening: boolean;
  /** The greatest `wants` of the other living instances; 0 if nobody elsewhere listens. Read for each packet. */
  readonly wants: number;
  /** Whether somebody elsewhere has pinned a source of this instance, or taps all of them. @param source its connection id. */
  isPinned(source: number): boolean;
  /**
   * Returns the participant to whom packets belong; undefined if it is not known, or not in this conversation. Called
   * for each packet, so it must be quick and should allocate nothing. The string of an incarnation is always the same.
   */
  find(incarnation: string, source: number): RemoteSource | undefined;
  /**
   * Lists a source whose packets are about to come, before presence says so; has no effect on one that is listed. It
   * need not be believed for longer than the next whole state of that instance.
   */
  announced(incarnation: string, source: AnnouncedSource): void;
  /** Packets of an unknown source came: asks that instance for its state. Called at most once a second for each. */
  missing(incarnation: string): void;
}

/** What presence calls. */
export interface MediaRelay {
  /**
   * Begins to relay the sources of this instance as {@link RelayedConversation.wants} says, and to take the others' as
   * {@link RelayedConversation.listening} says.
   *
   * @returns resolves once NATS sends this instance what the others relay, or after a second if it does not answer. So
   *   a `hello` that follows brings no packet too early. Never rejects.
   */
  open(conversation: RelayedConversation): Promise<void>;
  /** `listening`, `wants` or the pins have changed. */
  changed(conversation: RelayedConversation): void;
  /** Announces each source again before its next packet, because an instance came that may not know it (`hello`). */
  announceAgain(conversation: RelayedConversation): void;
  /** Ends what {@link open} began. */
  close(conversation: RelayedConversation): void;
}
