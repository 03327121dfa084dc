/** The paths of requests, and conversation ids in them. */
import { RequestError } from '../errors.ts';

/** Length of the longest conversation id, characters after decoding. */
const MAX_CONVERSATION_ID_LENGTH = 256;

/** Returns the path of a request target, which may be a whole URL (RFC 9112, section 3.2.2), without the query. */
export function pathOf(url: string | undefined = ''): string {
  return url.replace(/^https?:\/\/[^/?]*/i, '').split('?', 1)[0]!;
}

/** Whether a path can be decoded. */
export function isEscapedWell(path: string): boolean {
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    return false;
  }
}

/**
 * Checks a conversation id from a path.
 *
 * @param id the decoded id.
 * @throws RequestError `bad-conversation`
 */
export function conversationId(id = ''): string {
  const bad = (detail: string): RequestError => new RequestError('bad-conversation', detail);
  if (id === '') throw bad('The conversation id is empty: POST /join/:conversationid.');
  if (id.length > MAX_CONVERSATION_ID_LENGTH) {
    throw bad(`The conversation id has ${id.length} characters; ${MAX_CONVERSATION_ID_LENGTH} are allowed.`);
  }
  if (id === '.' || id === '..') {
    throw bad(`The conversation id is ${JSON.stringify(id)}, which browsers and proxies take for a step in the path.`);
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\x00-\x1f\x7f]/.test(id)) throw bad('The conversation id has control characters.');
  return id;
}
