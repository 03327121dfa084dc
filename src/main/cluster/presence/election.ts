/**
 * One dominant speaker for all: that of the instance with the lowest incarnation among those with listeners. All hear the
 * same foremost sources, so its worker can judge for the others.
 */
import type { HostedConversation } from '../../conversations/hosted-conversation.ts';
import { RemoteParticipant } from '../../conversations/remote-participant.ts';
import type { Place } from '../messages/presence.ts';
import type { Outgoing } from './outgoing.ts';
import type { Peers } from './peers.ts';
import { placeOf } from './wishes.ts';

export class Election {
  private readonly hosted: HostedConversation;
  private readonly self: string;
  private readonly peers: Peers;
  private readonly outgoing: Outgoing;

  /** @param self incarnation of this instance. */
  constructor(hosted: HostedConversation, self: string, peers: Peers, outgoing: Outgoing) {
    this.hosted = hosted;
    this.self = self;
    this.peers = peers;
    this.outgoing = outgoing;
  }

  /**
   * Sets the conversation's dominant speaker by the word that counts.
   *
   * @param listens whether this instance has listeners.
   * @returns this instance's word, if that is the one; otherwise null.
   */
  hold(listens: boolean): Place | null {
    const { hosted } = this;
    const elected = this.peers.elected(listens);
    if (elected === null) {
      hosted.electedDominant = null;
      return this.ownWord();
    }
    const { dominant } = elected;
    hosted.electedDominant = dominant === null ? 0 : this.numberOf(...dominant);
    return null;
  }

  private ownWord(): Place | null {
    const dominant = this.hosted.participants.get(this.hosted.workerDominant);
    if (dominant === undefined) return null;
    return dominant instanceof RemoteParticipant ? placeOf(dominant) : [this.self, dominant.id];
  }

  private numberOf(instance: string, source: number): number {
    if (instance === this.self) return this.outgoing.numberOf(source);
    return this.peers.get(instance)?.participants.get(source)?.number ?? 0;
  }
}
