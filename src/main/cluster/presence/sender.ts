/** Sends messages about one conversation. */
import { writeMessage } from '../messages/read.ts';
import { conversationHash } from '../subjects.ts';
import type { PresenceParts } from './presence-parts.ts';

export class Sender {
  /** The subject of messages to all who take part. */
  readonly subject: string;
  /** When the last message to all was sent, milliseconds. */
  sentAt = Number.NEGATIVE_INFINITY;
  private readonly parts: PresenceParts;
  private readonly head: { readonly conversation: string; readonly from: string };

  constructor(parts: PresenceParts, conversation: string) {
    this.parts = parts;
    this.subject = parts.subjects.conversation(conversationHash(conversation));
    this.head = { conversation, from: parts.self };
  }

  /** Whether NATS can be reached. */
  get connected(): boolean {
    return this.parts.bus.connected;
  }

  /** Sends a message to all who take part. It is lost if NATS cannot be reached. */
  toAll(message: object): void {
    this.sentAt = this.parts.timers.now();
    this.publish(this.subject, message);
  }

  /** Sends a message to one instance. */
  to(incarnation: string, message: object): void {
    this.publish(this.parts.subjects.presence(incarnation), message);
  }

  private publish(subject: string, message: object): void {
    this.parts.bus.publish(subject, writeMessage({ ...message, ...this.head }));
  }
}
