import { ok } from 'uvu/assert';
import { OfferError } from '../../src/main/sdp/offer.ts';
import { type Plan, type PlanLimits, planOffer } from '../../src/main/sdp/plan.ts';

/** Limits that no test's offer reaches. */
export const LIMITS = { maxSlots: 8, maxLines: 32, red: 'both' } as const satisfies PlanLimits;

/** Returns a plan in short, for each m-line: `<mid> both|publish|slot|data|refused`. */
export function words(plan: Plan): string[] {
  return plan.lines.map((line) => {
    if (line.kind !== 'audio') return `${line.mid} ${line.kind}`;
    return `${line.mid} ${line.publishes ? (line.slot === null ? 'publish' : 'both') : 'slot'}`;
  });
}

/** Returns the error for an offer that is refused. */
export function refusal(offer: string, limits: PlanLimits = LIMITS): OfferError {
  try {
    planOffer(offer, limits);
  } catch (error) {
    ok(error instanceof OfferError, String(error));
    return error;
  }
  throw new Error(`this offer was taken:\n${offer}`);
}
