/** Mutated offers of real browsers for the planner, without a socket. */
import { closeReason } from '../../src/main/errors.ts';
import { writeAnswer, writeTransportOffer } from '../../src/main/sdp/answer.ts';
import { offeredCandidates, readCandidate } from '../../src/main/sdp/candidates.ts';
import { OfferError } from '../../src/main/sdp/offer.ts';
import { planOffer } from '../../src/main/sdp/plan.ts';
import { offerNames, readOffer } from '../support/offers.ts';
import { LIMITS } from '../support/plans.ts';
import { below, type Random } from '../support/prng.ts';
import { isCleanAnswer, isCleanTransportOffer, LOCAL } from '../support/sdp-syntax.ts';
import { type Counters, type FuzzTarget, insist, oneIn, pick } from './target.ts';
import { mutateText } from './text.ts';

const OFFERS = offerNames().map(readOffer);
const SSRCS = [11, 22, 33, 44, 55, 66, 77, 88];
/** CPU time that one offer may take, milliseconds; the largest takes a few. */
const MAX_MS = 500;

/** Returns an offer of a real browser after one to twelve mutations. */
export function anyOffer(random: Random): string {
  const offer = pick(random, OFFERS);
  if (oneIn(random, 20)) return offer;
  let changed = mutateText(random, offer, OFFERS);
  while (oneIn(random, 3)) changed = mutateText(random, changed, OFFERS);
  // Most mutations spare the first line, because an offer without it is refused at once.
  return oneIn(random, 8) ? changed : `v=0\r\n${changed.replace(/^v=0\r?\n/, '')}`;
}

/** Plans an offer, and writes the answer and the transport offer. @returns the outcome. */
export function judgeOffer(offer: string): string {
  const begun = process.cpuUsage().user;
  try {
    const plan = planOffer(offer, LIMITS);
    insist(plan.slots.length <= LIMITS.maxSlots && plan.lines.length <= LIMITS.maxLines, () => 'more than is allowed');
    isCleanAnswer(writeAnswer(plan, LOCAL, SSRCS, '1'));
    isCleanTransportOffer(writeTransportOffer(plan));
    for (const line of offeredCandidates(offer)) readCandidate(line);
    return plan.publication === null ? 'a listener' : `${plan.slots.length} slots`;
  } catch (error) {
    if (!(error instanceof OfferError)) throw error;
    insist(/^[ -~]{10,123}$/.test(closeReason(error.kind, error.message)), () => 'not a close reason');
    return error.kind;
  } finally {
    const ms = (process.cpuUsage().user - begun) / 1000;
    insist(ms < MAX_MS, () => `${ms} ms for one offer`);
  }
}

export const plans: FuzzTarget = {
  name: 'plans',
  unit: 'offers',
  parallel: 1,
  weight: 1,
  async start() {
    const run = (random: Random, outcomes: Counters): number => {
      const offer = anyOffer(random);
      try {
        outcomes.add(judgeOffer(offer));
      } catch (error) {
        throw new Error(`${error instanceof Error ? error.message : error}: ${JSON.stringify(offer.slice(0, 4000))}`);
      }
      return 1;
    };
    return { run, rss: process.memoryUsage.rss, end: async () => undefined };
  },
};

/** Returns a message that follows an offer: a mutated candidate, or anything else. */
export function anyTrickle(random: Random): string {
  const line = pick(random, CANDIDATES);
  switch (below(random, 5)) {
    case 0:
      return line;
    case 1:
      return mutateText(random, line);
    case 2:
      return mutateText(random, JSON.stringify({ candidate: line, sdpMid: '0', sdpMLineIndex: 0 }));
    case 3:
      return oneIn(random, 8) ? anyOffer(random) : 'a=end-of-candidates';
    default:
      return String.fromCharCode(...Array.from({ length: below(random, 100) }, () => random() & 0xffff));
  }
}

const CANDIDATES = OFFERS.flatMap(offeredCandidates);
