/** Hides the secrets in the values of variables, and compares secrets. */
import { createHash, timingSafeEqual } from 'node:crypto';

/** Variables that are secrets as a whole. */
const SECRETS: ReadonlySet<string> = new Set(['TURN_SECRET', 'PROXY_SECRET', 'WEBHOOK_SECRET']);

/** Whether a variable's whole value is secret. */
export function isSecret(name: string): boolean {
  return SECRETS.has(name);
}

/** Whether two texts are the same. How long it takes says nothing about either. */
export function sameSecret(one: string, other: string): boolean {
  const hash = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(one), hash(other));
}

/** Returns a variable's value as it can be shown: without secrets. */
export function shownValue(name: string, text: string): string {
  if (isSecret(name)) return text.trim() === '' ? '' : '***';
  // A query may hold a token: log lines leave it out, too.
  return maskSecrets(name === 'WEBHOOK_URL' ? text.replace(/\?.+$/s, '?***') : text);
}

/**
 * Hides the secrets in a value, as in `turn:user:password@host` or `nats://token@host`, so that it can be shown. A
 * malformed value may have an `@` or a comma in its secret, so everything up to the last `@` is hidden.
 */
export function maskSecrets(text: string): string {
  const at = text.search(/\w+:[^:@,]+:.*@/s);
  const [before, after] = at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at)];
  const hidden = before.replace(/^(\s*[\w+.-]+:(?:\/\/)?)?.*@/s, '$1***@');
  return hidden + after.replace(/^(\w+:[^:@,]+:).*@/s, '$1***@');
}
