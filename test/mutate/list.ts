/** The mutations of `npm run mutate`: what a careless hand might do to the code, each to be noticed by a unit test. */

import { clusterPresence } from './list/cluster-presence.ts';
import { clusterRecords } from './list/cluster-records.ts';
import { connections } from './list/connections.ts';
import { conversations } from './list/conversations.ts';
import { events } from './list/events.ts';
import { hooks } from './list/hooks.ts';
import { http } from './list/http.ts';
import { limits } from './list/limits.ts';
import { media } from './list/media.ts';
import { memberships } from './list/memberships.ts';
import { operations } from './list/operations.ts';
import { relay } from './list/relay.ts';
import { rtcp } from './list/rtcp.ts';
import { rtp } from './list/rtp.ts';
import { sdp } from './list/sdp.ts';
import { workers } from './list/workers.ts';
import { type Mutation, numbered } from './mutation.ts';

export const MUTATIONS: readonly Mutation[] = numbered([
  rtp,
  workers,
  sdp,
  limits,
  http,
  events,
  rtcp,
  relay,
  media,
  conversations,
  connections,
  memberships,
  operations,
  hooks,
  clusterRecords,
  clusterPresence,
]);
