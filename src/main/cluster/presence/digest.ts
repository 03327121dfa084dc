/**
 * A digest of what an instance has told of a conversation, by which those who listen find that they know something else
 * under the same number. All versions have to calculate the same.
 */
import type { Publication } from '../../../workers/protocol.ts';
import type { Wishes } from './wishes.ts';

/** FNV-1a, 32 bits. */
const OFFSET = 0x811c9dc5;
const PRIME = 0x01000193;

/** A participant as it was told. */
export interface DigestedParticipant {
  readonly source: number;
  readonly userid: string;
  readonly clientid: string;
  readonly publication: Pick<Publication, 'payloadType' | 'redPayloadType' | 'levelExtension'> | null;
  readonly muted: boolean;
  readonly speaking: boolean;
}

/** The sum of hashes does not depend on the order of participants. */
export class Digest {
  private sum: number;

  constructor({ wants, dominant, pinned }: Wishes) {
    this.sum = hash(JSON.stringify([wants, dominant, pinned]));
  }

  add({ source, userid, clientid, publication: p, muted, speaking }: DigestedParticipant): void {
    const media = p === null ? null : [p.payloadType, p.redPayloadType, p.levelExtension];
    this.sum += hash(JSON.stringify([source, userid, clientid, media, muted, speaking]));
  }

  /** 0 … 2^32 - 1 */
  get value(): number {
    return this.sum % 2 ** 32;
  }
}

function hash(text: string): number {
  let state = OFFSET;
  for (let i = 0; i < text.length; i++) state = Math.imul(state ^ text.charCodeAt(i), PRIME);
  return state >>> 0;
}
