/** What the parts of a cluster need of a connection to NATS. {@link Link} is one; unit tests have another. */

/** Takes a message. @param reply the subject to answer on, if the sender waits for an answer. */
export type Take = (data: Uint8Array, reply: string | undefined) => void;

export interface Subscription {
  close(): void;
}

export interface Bus {
  /** False as soon as a loss of the connection is noticed: three seconds after the last sign of life at the latest. */
  readonly connected: boolean;
  /** The subjects whose subscriptions NATS's permissions forbid. They are asked for again after each reconnection. */
  readonly refused: readonly string[];
  /** Sends a message. @returns false, and keeps nothing, while disconnected. */
  publish(subject: string, data: Uint8Array): boolean;
  /** Takes all messages on a subject, which may have wildcards, until it is closed; across reconnections too. */
  subscribe(subject: string, take: Take): Subscription;
  /** Sends a message and resolves with the first answer. Rejects with a {@link LinkError} if there is none. */
  request(subject: string, data: Uint8Array, timeoutMs: number): Promise<Uint8Array>;
  /** Resolves once NATS has taken everything that was sent before. Rejects with a {@link LinkError}. */
  flush(timeoutMs: number): Promise<void>;
  /** Calls the listener at each loss and each return of the connection. @returns a function that ends this. */
  watch(listener: (connected: boolean) => void): () => void;
}

/** Why a request had no answer: nobody takes its subject, nobody answered in time, or NATS cannot be reached. */
export type NoAnswer = 'nobody' | 'time-out' | 'disconnected';

export class LinkError extends Error {
  readonly why: NoAnswer;
  constructor(why: NoAnswer, message: string) {
    super(message);
    this.name = 'LinkError';
    this.why = why;
  }
}
