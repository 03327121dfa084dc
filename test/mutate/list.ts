/** The mutations of `npm run mutate`: what a careless hand might do to the code, each to be noticed by a unit test. */
import { rtp } from './list/rtp.ts';
import { workers } from './list/workers.ts';
import { type Mutation, numbered } from './mutation.ts';

export const MUTATIONS: readonly Mutation[] = numbered([rtp, workers]);
