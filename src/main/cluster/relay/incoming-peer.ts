/** What is known of another instance from its media. */
import { ClockOffset } from './clock-offset.ts';
import { incarnationOf } from './wire.ts';

export class IncomingPeer {
  readonly high: number;
  readonly low: number;
  readonly incarnation: string;
  readonly clock = new ClockOffset();
  /** Half of the fastest round trip of its heartbeats, microseconds; 0 before the first. */
  oneWay = 0;
  /** Messages so far, and as of the last {@link IncomingPeers.tick}. */
  messages = 0;
  seen = 0;
  idleTicks = 0;

  constructor(high: number, low: number) {
    this.high = high;
    this.low = low;
    this.incarnation = incarnationOf(high, low);
  }
}

/** Most instances that media are taken from. */
const MAX_PEERS = 256;
/** An instance is forgotten after so many seconds without media. */
const IDLE_SECONDS = 60;

export class IncomingPeers {
  private peers: IncomingPeer[] = [];
  private last: IncomingPeer | null = null;
  private readonly isAlive: (incarnation: string) => boolean;

  /** @param isAlive whether an instance lives. Of others nothing is kept. */
  constructor(isAlive: (incarnation: string) => boolean) {
    this.isAlive = isAlive;
  }

  /** Returns an instance by the halves of its incarnation; null if it does not live, or there are too many. Seldom allocates. */
  find(high: number, low: number): IncomingPeer | null {
    let { last: peer } = this;
    if (peer === null || peer.low !== low || peer.high !== high) peer = this.search(high, low);
    if (peer === null) return null;
    this.last = peer;
    peer.messages++;
    return peer;
  }

  /** Forgets those that were idle for a minute. Call it once a second. @param rttMs of an instance's heartbeats. */
  tick(rttMs: (incarnation: string) => number | null): void {
    for (const peer of this.peers) {
      peer.idleTicks = peer.messages === peer.seen ? peer.idleTicks + 1 : 0;
      peer.seen = peer.messages;
      const rtt = rttMs(peer.incarnation);
      const oneWay = rtt === null ? 0 : rtt * 500;
      if (rtt !== null && (peer.oneWay === 0 || oneWay < peer.oneWay)) peer.oneWay = oneWay;
    }
    this.peers = this.peers.filter(({ idleTicks }) => idleTicks < IDLE_SECONDS);
    this.last = null;
  }

  /** Forgets an instance that is gone: should it come back, its clock may have stood still. */
  forget(incarnation: string): void {
    this.peers = this.peers.filter((peer) => peer.incarnation !== incarnation);
    this.last = null;
  }

  private search(high: number, low: number): IncomingPeer | null {
    for (let i = 0; i < this.peers.length; i++) {
      const peer = this.peers[i]!;
      if (peer.low === low && peer.high === high) return peer;
    }
    if (this.peers.length >= MAX_PEERS) return null;
    const peer = new IncomingPeer(high, low);
    if (!this.isAlive(peer.incarnation)) return null;
    this.peers.push(peer);
    return peer;
  }
}
