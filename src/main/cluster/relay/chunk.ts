/** One message to NATS: packets of one conversation. */
import { HEAD_BYTES } from './wire.ts';

/** Room in a message: one packet of the greatest length, or a dozen of the usual one. */
export const CHUNK_BYTES = 2048;

/** A conversation as the queue sees it. */
export interface QueuedConversation {
  readonly mediaSubject: string;
  /** The message that its next packet goes into. Belongs to the queue. */
  chunk: Chunk | null;
}

export class Chunk {
  readonly bytes = Buffer.alloc(CHUNK_BYTES);
  subject = '';
  used = 0;
  packets = 0;
  /** Arrival of its first packet and of its last one, of `toStamp`. */
  oldest = 0;
  newest = 0;
  /** The next one in the list that it is in. */
  next: Chunk | null = null;
  private owner: QueuedConversation | null = null;

  /** @param head of each message. */
  constructor(head: Uint8Array) {
    this.bytes.set(head);
  }

  /** Makes it the message that a conversation's packets go into. */
  begin(owner: QueuedConversation, stamp: number): void {
    this.owner = owner;
    this.subject = owner.mediaSubject;
    this.used = HEAD_BYTES;
    this.packets = 0;
    this.oldest = stamp;
    this.newest = stamp;
    this.next = null;
  }

  /** No packet goes into it any more. */
  close(): void {
    if (this.owner?.chunk === this) this.owner.chunk = null;
    this.owner = null;
    this.next = null;
  }

  /** The bytes to send. */
  message(): Uint8Array {
    return this.bytes.subarray(0, this.used);
  }
}
