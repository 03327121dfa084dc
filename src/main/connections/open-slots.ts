/** The slots of a new connection: rows of the slot table, with numbers that cannot be guessed. */
import { randomInt } from 'node:crypto';
import { openSlot, SLOT_WORDS } from '../../rtp/rewriter.ts';
import type { Plan } from '../sdp/plan.ts';

/**
 * Prepares the rows of a connection's slots.
 *
 * @param words the slot table. @param first index of the connection's first word in it. @param id the connection's.
 * @returns each slot's SSRC, unsigned, in the order of the plan; none is one of the client's.
 */
export function openSlots(words: Int32Array, first: number, id: number, plan: Plan): number[] {
  const taken = new Set(plan.publication?.ssrcs);
  return plan.slots.map(({ payloadType, redPayloadType }, i) => {
    let ssrc = randomInt(1, 2 ** 32) | 0;
    while (taken.has(ssrc)) ssrc = randomInt(1, 2 ** 32) | 0;
    taken.add(ssrc);
    const timestamp = randomInt(2 ** 32) | 0;
    openSlot(words, first + i * SLOT_WORDS, ssrc, payloadType, id, randomInt(2 ** 15), timestamp, redPayloadType);
    return ssrc >>> 0;
  });
}
