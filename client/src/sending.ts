/**
 * Gives the microphone's track to the connections, and takes it away while the user is muted. A track that is merely
 * disabled still sends five packets a second.
 */

/**
 * How long a muted track sends silence before it ends, milliseconds. Receivers invent sound where a voice just ends.
 * After 200 ms of silence encoders announce a pause (DTX), and then nothing is invented, even if the server knows of
 * no mute.
 */
const ENDING_MS = 300;
/** How long a browser may go on sending from another thread after it says that it has stopped, milliseconds. */
const SETTLING_MS = 200;

export class Sending {
  /** What sends the track, and over which connection. */
  readonly senders = new Map<RTCRtpSender, RTCPeerConnection>();
  #track: MediaStreamTrack | null = null;
  #muted = false;
  /** Whether the connections have been deprived of the track. */
  #ended = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Sends over a new connection too; older ones keep sending until they are closed. */
  attach(sender: RTCRtpSender, pc: RTCPeerConnection): void {
    // Forget failed attempts: while the network is down, there may be any number of them.
    for (const [old, { signalingState }] of this.senders) if (signalingState === 'closed') this.senders.delete(old);
    this.senders.set(sender, pc);
    if (!this.#muted) this.#give(sender);
  }

  /** Sends another track from now on. @param track null for none. @returns once all connections send it. */
  use(track: MediaStreamTrack | null): Promise<void> {
    this.#track = track;
    this.#enable(!this.#muted || this.#ended);
    return this.#giveAll();
  }

  /** Falls silent at once and ends a moment later, or sends again at once. */
  mute(muted: boolean): void {
    if (this.#muted === muted) return;
    this.#muted = muted;
    clearTimeout(this.#timer);
    this.#enable(!muted);
    if (muted) this.#timer = setTimeout(() => this.#end(), ENDING_MS);
    else if (this.#ended) {
      this.#ended = false;
      this.#giveAll();
    }
  }

  close(): void {
    clearTimeout(this.#timer);
    this.senders.clear();
  }

  #end(): void {
    this.#ended = true;
    // It is enabled again: its level can be measured, and browsers that release disabled devices keep this one ready.
    this.#giveAll().then(() => {
      if (!this.#ended) return;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(
        () => this.#enable([...this.senders.keys()].every(({ track }) => track === null)),
        SETTLING_MS,
      );
    });
  }

  #enable(enabled: boolean): void {
    if (this.#track !== null) this.#track.enabled = enabled;
  }

  async #giveAll(): Promise<void> {
    await Promise.all([...this.senders.keys()].map((sender) => this.#give(sender)));
  }

  #give(sender: RTCRtpSender): Promise<unknown> {
    return sender.replaceTrack(this.#ended ? null : this.#track).catch(() => this.senders.delete(sender));
  }
}
