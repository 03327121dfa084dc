/** Joins that wait for a permission. */

import type { Claim } from '../claim.ts';
import { RequestError } from '../errors.ts';
import type { Client, Handlers } from '../http/server.ts';
import type { Log } from '../log/log.ts';
import { type PermissionCounts, Permissions, type PermissionsConfig } from './permissions.ts';
import { SerialQueue } from './serial-queue.ts';

/** Joins and leaves of one user that may wait at a time; a person has no more than two. */
const MAX_WAITING = 16;

const NOT_COUNTED: PermissionCounts = { permission: () => undefined, permissionCached: () => undefined };

/**
 * Handlers whose joins are asked about first. Joins and leaves of one user take effect in the order in which they came,
 * however long each question takes; a join whose client hung up meanwhile does not take effect.
 *
 * @returns the same handlers if `PERMISSIONS_HOST` is empty: then nothing waits.
 */
export function permitted(
  handlers: Handlers,
  config: PermissionsConfig,
  log: Log,
  counts: PermissionCounts = NOT_COUNTED,
): Handlers {
  if (config.PERMISSIONS_HOST === '') return handlers;
  const permissions = new Permissions(config, log, counts);
  const turns = new SerialQueue(MAX_WAITING);
  return {
    ...handlers,
    join(claim: Claim, conversation: string, client: Client) {
      makeSureOfRoom(turns, claim.userid);
      return turns.take(claim.userid, permissions.allows(claim.userid, conversation), () => {
        if (!client.gone()) handlers.join(claim, conversation, client);
      });
    },
    leave(claim: Claim, conversation: string) {
      if (turns.waiting(claim.userid) === 0) return handlers.leave(claim, conversation);
      makeSureOfRoom(turns, claim.userid);
      return turns.take(claim.userid, null, () => handlers.leave(claim, conversation));
    },
  };
}

function makeSureOfRoom(turns: SerialQueue, userid: string): void {
  if (turns.hasRoom(userid)) return;
  const detail = `${MAX_WAITING} joins and leaves of this user wait for the permission service; try again later.`;
  throw new RequestError('permissions-unavailable', detail, { 'Retry-After': '2' });
}
