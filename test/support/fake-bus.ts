/** A bus in memory, for unit tests. It delivers at once, and each member may be cut off. */
import { type Bus, LinkError, type Subscription, type Take } from '../../src/main/cluster/bus.ts';

/** What all members share. */
export class FakeNet {
  readonly members = new Set<FakeBus>();
  /** Everything that was sent, in order. */
  readonly sent: { readonly subject: string; readonly data: Uint8Array; readonly from: FakeBus }[] = [];

  /** Adds a member. */
  join(): FakeBus {
    const bus = new FakeBus(this);
    this.members.add(bus);
    return bus;
  }

  /** Delivers to all members but the sender. @returns how many subscriptions took it. */
  deliver(from: FakeBus, subject: string, data: Uint8Array, reply?: string): number {
    this.sent.push({ subject, data, from });
    let takers = 0;
    for (const member of [...this.members]) if (member !== from) takers += member.take(subject, data, reply);
    return takers;
  }
}

export class FakeBus implements Bus {
  readonly refused: string[] = [];
  private readonly net: FakeNet;
  private readonly subscriptions = new Set<{ readonly subject: string; readonly take: Take }>();
  private readonly listeners = new Set<(connected: boolean) => void>();
  private up = true;
  private requests = 0;

  constructor(net: FakeNet) {
    this.net = net;
  }

  get connected(): boolean {
    return this.up;
  }

  /** Cuts it off, or lets it come back. */
  set connected(up: boolean) {
    if (this.up === up) return;
    this.up = up;
    for (const listener of [...this.listeners]) listener(up);
  }

  /** The subjects that are subscribed to. */
  get subjects(): string[] {
    return [...this.subscriptions].map(({ subject }) => subject);
  }

  publish(subject: string, data: Uint8Array): boolean {
    if (this.up) this.net.deliver(this, subject, data);
    return this.up;
  }

  subscribe(subject: string, take: Take): Subscription {
    const one = { subject, take };
    this.subscriptions.add(one);
    return { close: () => void this.subscriptions.delete(one) };
  }

  /** Waits for the answer of a member without the time-out, unless nobody takes the subject. */
  request(subject: string, data: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    if (!this.up) return Promise.reject(new LinkError('disconnected', 'cut off'));
    return new Promise((resolve, reject) => {
      const inbox = `inbox.${this.net.members.size}.${++this.requests}`;
      let answered = false;
      const answers = this.subscribe(inbox, (answer) => {
        answered = true;
        answers.close();
        resolve(answer);
      });
      const takers = this.net.deliver(this, subject, data, inbox);
      if (answered) return;
      answers.close();
      reject(takers === 0 ? new LinkError('nobody', 'nobody') : new LinkError('time-out', `not in ${timeoutMs} ms`));
    });
  }

  async flush(): Promise<void> {
    if (!this.up) throw new LinkError('disconnected', 'cut off');
  }

  watch(listener: (connected: boolean) => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** Takes what comes from outside. @returns how many subscriptions took it. */
  take(subject: string, data: Uint8Array, reply?: string): number {
    if (!this.up) return 0;
    const takers = [...this.subscriptions].filter((one) => covers(one.subject, subject));
    for (const { take } of takers) take(data, reply);
    return takers.length;
  }
}

/** Returns whether a subject with wildcards covers another. */
function covers(pattern: string, subject: string): boolean {
  const [wanted, tokens] = [pattern.split('.'), subject.split('.')];
  for (const [i, token] of wanted.entries()) {
    if (token === '>') return tokens.length > i;
    if (tokens[i] === undefined || (token !== '*' && token !== tokens[i])) return false;
  }
  return wanted.length === tokens.length;
}
