/** The messages from the demo to the bots' process. A room is the demo's word for a conversation. */

/** Most bots in all rooms together. */
export const MAX_BOTS = 50;

/** Suffix of the names of bots. */
export const BOT_MARK = ' (bot)';

/** The number of bots wanted in each room. Bots beyond it end. */
export interface Placement {
  /** URLs of the servers that run, each `http://127.0.0.1:port`. Bots are spread over them. */
  readonly urls: readonly string[];
  /** Number of bots in each room. */
  readonly rooms: Readonly<Record<string, number>>;
}
