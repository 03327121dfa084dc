/** The subjects of a cluster. All of them begin with its prefix, `CLUSTER`, so that one permission covers them. */
import { createHash } from 'node:crypto';

/** How many bytes of a conversation's hash are in its subjects. */
const HASH_BYTES = 16;

export class Subjects {
  /** Heartbeats of all instances. */
  readonly beat: string;
  private readonly prefix: string;

  constructor(prefix: string) {
    this.prefix = prefix;
    this.beat = `${prefix}.beat`;
  }

  /** Everything of this cluster. */
  get all(): string {
    return `${this.prefix}.>`;
  }

  /** Whether an instance has this id. */
  id(id: string): string {
    return `${this.prefix}.id.${Buffer.from(id).toString('base64url')}`;
  }

  /** Messages and requests to one instance. */
  instance(incarnation: string): string {
    return `${this.prefix}.instance.${incarnation}`;
  }

  /** Presence, to one instance. */
  presence(incarnation: string): string {
    return `${this.prefix}.instance.${incarnation}.presence`;
  }

  /** What others lose of an instance's packets. */
  loss(incarnation: string): string {
    return `${this.prefix}.instance.${incarnation}.loss`;
  }

  /** Presence in a conversation. @param hash of {@link conversationHash}. */
  conversation(hash: string): string {
    return `${this.prefix}.conversation.${hash}`;
  }

  /** Packets of a conversation. @param hash of {@link conversationHash}. */
  media(hash: string): string {
    return `${this.prefix}.media.${hash}`;
  }
}

/** Returns what stands for a conversation in subjects: its id may have any characters and be long. */
export function conversationHash(conversation: string): string {
  return createHash('sha256').update(conversation).digest().subarray(0, HASH_BYTES).toString('base64url');
}
