/** The errors with which rules of membership refuse a request. */
import type { Config } from '../config.ts';
import type { Full } from '../conversations/registry-types.ts';
import { RequestError } from '../errors.ts';

type FullConfig = Pick<Config, 'MAX_MEMBERSHIPS' | 'MAX_CONVERSATIONS' | 'MAX_PARTICIPANTS'>;

/** Returns the error for a join without room. */
export function fullError(full: Full, config: FullConfig): RequestError {
  const later = { 'Retry-After': '5' };
  switch (full) {
    case 'users':
      return new RequestError('full', `All ${config.MAX_MEMBERSHIPS} memberships are in use; try again later.`, later);
    case 'conversations': {
      const detail = `All ${config.MAX_CONVERSATIONS} conversations are in use; try again later.`;
      return new RequestError('full', detail, later);
    }
    case 'participants': {
      const detail = `It has ${config.MAX_PARTICIPANTS} users, as many as one may have; somebody has to leave first.`;
      return new RequestError('conversation-full', detail);
    }
    default:
      return full satisfies never;
  }
}

/** Returns the error for a join of somebody whom an operator has banned. @param left milliseconds. */
export function bannedError(left: number): RequestError {
  const seconds = Math.ceil(left / 1000);
  const detail = `An operator has banned this user from that conversation for another ${seconds} s.`;
  return new RequestError('banned', detail, { 'Retry-After': String(seconds) });
}

/** Returns the error for a join or leave beyond the user's rate. */
export function tooManyJoins(perSecond: number): RequestError {
  const detail = `A user may join and leave ${perSecond} times a second, and ${2 * perSecond} times at once.`;
  return new RequestError('too-many-joins', detail, { 'Retry-After': '1' });
}

/** Returns the error for a join or leave while `limit` of the same user wait already. */
export function tooManyWaiting(limit: number): RequestError {
  const detail = `${limit} joins and leaves of this user wait for the permission service; try again later.`;
  return new RequestError('permissions-unavailable', detail, { 'Retry-After': '2' });
}
