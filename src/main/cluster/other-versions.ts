/**
 * Instances whose messages are of another version: this one cannot read them, nor they this one's. Both go on alone,
 * and operators have to be told, for nobody else notices.
 */
import type { Identity } from './identity.ts';
import type { InstanceLog } from './instance-log.ts';
import { MESSAGE_VERSION, type OtherMessage } from './messages/read.ts';

/** An instance that has said nothing for so long is gone, milliseconds: its heartbeats may be less frequent. */
const SILENCE_MS = 10_000;
/** Most instances that are named. */
const MAX_NAMED = 16;

interface Other {
  readonly description: string;
  heardAt: number;
}

export class OtherVersions {
  private readonly self: Identity;
  private readonly log: InstanceLog;
  /** By what they say of themselves. */
  private readonly others = new Map<string, Other>();

  constructor(self: Identity, log: InstanceLog) {
    this.self = self;
    this.log = log;
  }

  /** What is wrong, one sentence for each of them. */
  get warnings(): string[] {
    return [...this.others.values()].map(({ description }) => description);
  }

  /** Takes note of a heartbeat. @param now milliseconds. */
  heard(message: OtherMessage, now: number): void {
    const name = `${message.v} ${message.incarnation ?? message.id}`;
    const known = this.others.get(name);
    if (known !== undefined) known.heardAt = now;
    else if (this.others.size < MAX_NAMED) {
      const description = this.describe(message);
      this.others.set(name, { description, heardAt: now });
      this.log.write('error', { instance: message.id ?? null, version: message.version ?? null }, description);
    }
  }

  /** Forgets those that are silent. @param now milliseconds. */
  forget(now: number): void {
    for (const [name, { heardAt, description }] of this.others) {
      if (now - heardAt <= SILENCE_MS) continue;
      this.others.delete(name);
      this.log.write('info', { description }, 'an instance of another version is gone');
    }
  }

  private describe({ v, id, version, host }: OtherMessage): string {
    const where = host === undefined ? '' : ` on ${host}`;
    const who = `${id ?? 'an instance without a readable name'} (version ${version ?? 'unknown'}${where})`;
    const own = `${this.self.id} (version ${this.self.version})`;
    return `${who} sends messages of version ${v}, this one, ${own}, of version ${MESSAGE_VERSION}: they do not see each other, so conversations are split between them; run one version on all, or give one of them another CLUSTER`;
  }
}
