/** Joins and leaves within their limits. */
import { performance } from 'node:perf_hooks';
import type { Claim } from '../claim.ts';
import type { Config } from '../config.ts';
import type { Full } from '../conversations/conversations.ts';
import { RequestError } from '../errors.ts';
import type { Client, Handlers } from '../http/server.ts';
import type { UserRates } from '../limits/user-rates.ts';

type FullConfig = Pick<Config, 'MAX_MEMBERSHIPS' | 'MAX_CONVERSATIONS' | 'MAX_PARTICIPANTS'>;

/** Handlers that take only so many joins and leaves of each user, before anybody is asked about them. */
export function limited(
  handlers: Handlers,
  rates: UserRates,
  { MAX_JOINS_PER_SECOND: perSecond }: Pick<Config, 'MAX_JOINS_PER_SECOND'>,
): Handlers {
  const take = ({ userid }: Claim): void => {
    if (rates.take(userid, performance.now())) return;
    const detail = `A user may join and leave ${perSecond} times a second, and ${2 * perSecond} times at once.`;
    throw new RequestError('too-many-joins', detail, { 'Retry-After': '1' });
  };
  return {
    ...handlers,
    join(claim: Claim, conversation: string, client: Client) {
      take(claim);
      return handlers.join(claim, conversation, client);
    },
    leave(claim: Claim, conversation: string) {
      take(claim);
      return handlers.leave(claim, conversation);
    },
  };
}

/** What a join is refused with for which there is no room. */
export function fullError(full: Full, config: FullConfig): RequestError {
  const later = { 'Retry-After': '5' };
  switch (full) {
    case 'users':
      return new RequestError('full', `All ${config.MAX_MEMBERSHIPS} memberships are in use; try again later.`, later);
    case 'conversations':
      return new RequestError(
        'full',
        `All ${config.MAX_CONVERSATIONS} conversations are in use; try again later.`,
        later,
      );
    case 'participants': {
      const detail = `It has ${config.MAX_PARTICIPANTS} users, as many as one may have; somebody has to leave first.`;
      return new RequestError('conversation-full', detail);
    }
    default:
      return full satisfies never;
  }
}
