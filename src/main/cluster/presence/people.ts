/** Lists participants of other instances in one conversation of this process. */
import type { Publication } from '../../../workers/protocol.ts';
import type { HostedConversation } from '../../conversations/hosted-conversation.ts';
import { RemoteParticipant, type RemoteSources } from '../../conversations/remote-participant.ts';
import type { UserNumbers } from '../../conversations/user-numbers.ts';
import type { WireParticipant } from '../messages/presence.ts';
import type { PresenceParts } from './presence-parts.ts';

/** Most publications that participants share. Nearly all browsers have the same one. */
const MAX_SHARED = 256;

type PeopleParts = Pick<PresenceParts, 'sources' | 'users' | 'room' | 'counts'>;

export class People {
  private readonly hosted: HostedConversation;
  private readonly sources: RemoteSources;
  private readonly users: Pick<UserNumbers, 'take' | 'give'>;
  private readonly room: PeopleParts['room'];
  private readonly counts: PeopleParts['counts'];
  private readonly publications = new Map<number, Publication>();

  constructor(hosted: HostedConversation, { sources, users, room, counts }: PeopleParts) {
    this.hosted = hosted;
    this.sources = sources;
    this.users = users;
    this.room = room;
    this.counts = counts;
  }

  /** Lists a participant. @returns null if there are too many on all lists of this process. */
  list(instance: string, { s, u, c, p, m, t, d = false, h = false, q }: WireParticipant): RemoteParticipant | null {
    if (!this.reserve(1)) return null;
    const claim = { userid: u, clientid: c };
    const identity = { instance, source: s, claim, user: this.users.take(u), publication: this.publicationOf(p) };
    const participant = new RemoteParticipant(this.sources, this.hosted, identity, m);
    participant.setSpeaking(t);
    participant.setShown(d, h, q);
    return participant;
  }

  /** Takes a participant off the list. */
  drop(participant: RemoteParticipant): void {
    participant.end();
    this.release(1);
    this.users.give(participant.claim.userid);
  }

  /** Makes sure that there is room for so many more. @returns false, and counts it, if there is not. */
  reserve(count: number): boolean {
    const { room } = this;
    if (room.taken + count > room.size) {
      this.refuse();
      return false;
    }
    room.taken += count;
    return true;
  }

  /** Gives room back. */
  release(count: number): void {
    this.room.taken -= count;
  }

  /** Counts a message that tells of more than there may be. */
  refuse(): void {
    this.counts.tooMany++;
  }

  private publicationOf(wire: WireParticipant['p']): Publication | null {
    if (wire === null) return null;
    const { payloadType, redPayloadType, levelExtension } = wire;
    const key = (payloadType << 16) | (redPayloadType << 8) | levelExtension;
    const known = this.publications.get(key);
    if (known !== undefined) return known;
    const publication = { payloadType, redPayloadType, levelExtension, ssrcs: [] };
    if (this.publications.size < MAX_SHARED) this.publications.set(key, publication);
    return publication;
  }
}

/** Whether a participant is the one that is listed: a source never changes who it is. */
export function isSame({ claim, publication }: RemoteParticipant, { u, c, p }: WireParticipant): boolean {
  return (
    claim.userid === u &&
    claim.clientid === c &&
    publication?.payloadType === p?.payloadType &&
    publication?.redPayloadType === p?.redPayloadType &&
    publication?.levelExtension === p?.levelExtension
  );
}
