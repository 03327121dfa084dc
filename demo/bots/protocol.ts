/** What the demo tells the process of its bots. */

/** Bots there can be in all rooms together. */
export const MOST_BOTS = 50;

/** What the names of bots end with. */
export const BOT_MARK = ' (bot)';

/** Who should be where from now on; all else goes. */
export interface Placement {
  /** The server, `http://127.0.0.1:port`; null while there is none. */
  readonly url: string | null;
  /** Bots by room. */
  readonly rooms: Readonly<Record<string, number>>;
}
