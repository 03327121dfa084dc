/** The conversations that have members. A conversation begins with its first member and ends with its last one. */

/** A conversation that has at least one member. */
export interface Conversation {
  readonly id: string;
  /** Its number for the workers, which no other conversation of this process ever has. */
  readonly key: number;
}

/** One conversation in a list. */
export interface ConversationSummary extends Conversation {
  /** Users in it, connected or not. */
  readonly users: number;
}

export interface OccupiedLimits {
  readonly conversations: number;
  /** Users in one conversation. */
  readonly participants: number;
}

/** Told when a conversation begins and ends. */
export interface ConversationFollower {
  began(conversation: Conversation): void;
  ended(conversation: Conversation): void;
}

interface Occupied extends ConversationSummary {
  users: number;
}

export class OccupiedConversations {
  private readonly conversations = new Map<string, Occupied>();
  private readonly limits: OccupiedLimits;
  /** By id of the conversation. */
  private readonly followers = new Map<string, ConversationFollower>();
  private lastKey = 0;

  constructor(limits: OccupiedLimits) {
    this.limits = limits;
  }

  get count(): number {
    return this.conversations.size;
  }

  ids(): Iterable<string> {
    return this.conversations.keys();
  }

  get(id: string): ConversationSummary | undefined {
    return this.conversations.get(id);
  }

  /** Lists conversations in the order in which they began. @param after key of the last one known, 0 for none. */
  list(after: number, limit: number): ConversationSummary[] {
    const page: ConversationSummary[] = [];
    for (const conversation of this.conversations.values()) {
      if (conversation.key > after) page.push(conversation);
      if (page.length === limit) break;
    }
    return page;
  }

  /** Returns the limit that keeps a member of `current` from joining a conversation; null for none. */
  whatIsFull(current: ConversationSummary | null, id: string): keyof OccupiedLimits | null {
    if (current?.id === id) return null;
    const { conversations, participants } = this.limits;
    const conversation = this.conversations.get(id);
    if (conversation !== undefined) return conversation.users < participants ? null : 'participants';
    // Somebody who is alone makes room by leaving: their conversation ends.
    const left = current?.users === 1 ? 1 : 0;
    return this.conversations.size - left < conversations ? null : 'conversations';
  }

  /** Whether a conversation has more members than it may have now. */
  overfull({ users }: ConversationSummary): boolean {
    return users > this.limits.participants;
  }

  /** Adds a member, whatever the limits. */
  enter(id: string): ConversationSummary {
    const known = this.conversations.get(id);
    const conversation = known ?? { id, key: ++this.lastKey, users: 0 };
    conversation.users++;
    if (known !== undefined) return conversation;
    this.conversations.set(id, conversation);
    this.followers.get(id)?.began(conversation);
    return conversation;
  }

  /** Takes a member out. */
  exit(id: string): void {
    const conversation = this.conversations.get(id);
    if (conversation === undefined || --conversation.users > 0) return;
    this.conversations.delete(id);
    this.followers.get(id)?.ended(conversation);
  }

  /**
   * Tells a follower when a conversation begins and ends, at once if it has begun. A conversation has one follower.
   *
   * @returns a function that ends this, and tells it that the conversation has ended.
   */
  follow(id: string, follower: ConversationFollower): () => void {
    this.followers.set(id, follower);
    const conversation = this.conversations.get(id);
    if (conversation !== undefined) follower.began(conversation);
    return () => {
      if (this.followers.get(id) !== follower) return;
      this.followers.delete(id);
      const current = this.conversations.get(id);
      if (current !== undefined) follower.ended(current);
    };
  }
}
