/** Joins and leaves while the server drains. */

import type { Claim } from '../claim.ts';
import { drainingError, RequestError } from '../errors.ts';
import type { Client, Handlers } from '../http/server.ts';
import type { Departures } from './departures.ts';

/**
 * Handlers that refuse, while the server drains, what the next instance has to do: the proxy asks that one then.
 *
 * A user who goes on may have connections to both instances, which are to be in the same conversation; so what such a user asks for takes
 * effect here as well, and is refused all the same.
 */
export function untilGone(handlers: Handlers, departures: Departures): Handlers {
  return {
    ...handlers,
    join(claim: Claim, conversation: string, client: Client) {
      const business = departures.ofJoin(claim.userid, conversation);
      if (business === 'here') return handlers.join(claim, conversation, client);
      if (business === 'both') asFarAsItGoes(() => handlers.join(claim, conversation, client));
      throw drainingError();
    },
    leave(claim: Claim, conversation: string) {
      const business = departures.ofLeave(claim.userid);
      if (business !== 'next') handlers.leave(claim, conversation);
      if (business !== 'here') throw drainingError();
      return undefined;
    },
    turnedAway(claim: Claim) {
      departures.goes(claim.userid);
    },
  };
}

/** Whether there is room is for the next instance to say. */
function asFarAsItGoes(body: () => void): void {
  try {
    body();
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
  }
}
