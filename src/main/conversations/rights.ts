/**
 * What a user may do in conversations: by the permission for the one that they are in, and by what operators said. Pure
 * values: a change makes new ones.
 */

/** What a permission says besides that its user may join. */
export interface Grant {
  /** Whether the user may speak. */
  readonly speak: boolean;
  /** What others see of the user: a name, and the JSON of an object that means something to clients; null for none. */
  readonly name: string | null;
  readonly metadata: string | null;
}

/** What an operator said last of a user's right to speak in one conversation. It counts more than the permission. */
export interface OperatorWord {
  readonly conversation: string;
  readonly speak: boolean;
}

/** Keeps a user out of a conversation for a while. */
export interface Ban {
  readonly conversation: string;
  /** Milliseconds since 1970. Instances have to agree on it, so it is no monotonic time. */
  readonly until: number;
}

export interface Rights {
  /** By the permission for the conversation that the user is in. */
  readonly grant: Grant;
  /** The latest ones last, one for each conversation. They outlast the membership, so that leaving ends none. */
  readonly words: readonly OperatorWord[];
  /** Those that end first come first, one for each conversation. Some may have ended. */
  readonly bans: readonly Ban[];
}

/** Longest name, characters (UTF-16). */
export const MAX_NAME_LENGTH = 128;
/** Longest JSON of metadata, characters (UTF-16). */
export const MAX_METADATA_LENGTH = 512;
/** Most conversations for which a user's rights hold an operator's word; the oldest are forgotten first. */
export const MAX_WORDS = 16;

/** Most conversations that a user is kept out of at a time; the ban that ends first is forgotten first. */
export const MAX_BANS = 16;

/** What a permission grants that says nothing else. */
export const FULL_GRANT: Grant = { speak: true, name: null, metadata: null };
/** The rights of a user of whom nobody has said anything. */
export const FULL_RIGHTS: Rights = { grant: FULL_GRANT, words: [], bans: [] };

/** Whether a user may speak. @param conversation where they are; null for nowhere. */
export function maySpeak({ grant, words }: Rights, conversation: string | null): boolean {
  if (conversation === null) return true;
  return words.find((word) => word.conversation === conversation)?.speak ?? grant.speak;
}

/**
 * Returns the rights of a user who joins a conversation, or leaves.
 *
 * @param grant null if no permission was asked for. Then one for the same conversation goes on to hold.
 */
export function withGrant(rights: Rights, grant: Grant | null, stays = false): Rights {
  const next = grant ?? (stays ? rights.grant : FULL_GRANT);
  return sameGrant(next, rights.grant) ? rights : { ...rights, grant: next };
}

/** Returns the rights after an operator gave the right to speak in a conversation, or took it. */
export function withWord(rights: Rights, conversation: string, speak: boolean): Rights {
  const known = rights.words.find((word) => word.conversation === conversation);
  if (known?.speak === speak) return rights;
  const others = rights.words.filter((word) => word !== known).slice(1 - MAX_WORDS);
  return { ...rights, words: [...others, { conversation, speak }] };
}

/**
 * Returns the rights after an operator banned a user from a conversation, or ended that.
 *
 * @param until when the ban ends; null to end one. @param date now. Both in milliseconds since 1970.
 */
export function withBan(rights: Rights, conversation: string, until: number | null, date: number): Rights {
  const others = rights.bans.filter((ban) => ban.conversation !== conversation && ban.until > date);
  if (until === null) return others.length === rights.bans.length ? rights : { ...rights, bans: others };
  // Never the new one: the operator was just told that it holds.
  const kept = others.sort((one, other) => one.until - other.until).slice(1 - MAX_BANS);
  return { ...rights, bans: [...kept, { conversation, until }] };
}

/** Returns for how long a user is banned from a conversation, milliseconds; 0 if they are not. */
export function bannedFor({ bans }: Rights, conversation: string, date: number): number {
  const until = bans.find((ban) => ban.conversation === conversation)?.until ?? 0;
  return Math.max(0, until - date);
}

/** Returns what is left of a user's rights once they are forgotten: bans that have not ended. Null for nothing. */
export function afterwards({ bans }: Rights, date: number): Rights | null {
  const left = bans.filter(({ until }) => until > date);
  return left.length === 0 ? null : { ...FULL_RIGHTS, bans: left };
}

/** Whether there is anything that has to be remembered of somebody who is in no conversation. */
export function areLasting({ words, bans }: Rights): boolean {
  return words.length > 0 || bans.length > 0;
}

function sameGrant(one: Grant, other: Grant): boolean {
  return one.speak === other.speak && one.name === other.name && one.metadata === other.metadata;
}
