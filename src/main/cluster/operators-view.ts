/** The cluster as its operators see it from this instance. */
import type { Cancel, Timers } from '../timers.ts';
import type { Bus } from './bus.ts';
import type { Found, Inquiry } from './inquiry.ts';
import { InstanceHistory, type RelayRates } from './instance-history.ts';
import type { Figures, Instance, Instances } from './instances.ts';
import type { Relay } from './relay/relay.ts';

/** How often the counts of the instances are looked at, milliseconds. */
const LOOK_INTERVAL_MS = 5000;
/** A copy of the memberships that is further behind than this counts as cut off, milliseconds. */
const MAX_LAG_MS = 3000;
/** Conversations that are listed by name. */
const MAX_LISTED = 100;

/** What `/cluster` tells of an instance. */
export interface ShownInstance extends Omit<Instance, 'relayedIn' | 'relayedOut' | 'dropped'> {
  readonly self: boolean;
  readonly seconds: number;
  readonly relay: RelayRates | null;
}

export interface Overview {
  readonly whole: boolean;
  readonly problem: string | null;
  readonly warnings: readonly string[];
  readonly instances: readonly ShownInstance[];
  readonly spanning: {
    readonly total: number;
    readonly conversations: readonly { readonly id: string; readonly instances: readonly string[] }[];
  };
}

export interface OperatorsViewParts {
  /** The links to NATS for control messages and for media. */
  readonly control: Pick<Bus, 'connected' | 'refused'>;
  readonly media: Pick<Bus, 'connected' | 'refused'>;
  readonly relay: Pick<Relay, 'detached'>;
  readonly instances: Pick<Instances, 'self' | 'all' | 'isAlive' | 'duplicate' | 'warnings'>;
  /** Returns what this instance tells of itself. */
  readonly figures: () => Figures;
  readonly records: {
    /** How far the copy here is behind, milliseconds. */
    readonly lagMs: number;
    /** Why NATS does not make changes; null if it does. */
    readonly refusal: string | null;
    /** Records that were ignored because there are too many. */
    readonly overflow: number;
    readonly warnings: readonly string[];
    all(): Iterable<{
      readonly conversation: string | null;
      readonly connections: readonly { readonly instance: string }[];
    }>;
  };
  readonly inquiry: Pick<Inquiry, 'ask'>;
  readonly timers: Timers;
}

export class OperatorsView {
  private readonly parts: OperatorsViewParts;
  private readonly history = new InstanceHistory();
  private readonly looking: Cancel;

  constructor(parts: OperatorsViewParts) {
    this.parts = parts;
    this.look();
    this.looking = parts.timers.every(LOOK_INTERVAL_MS, () => this.look());
  }

  /** Id of this instance. */
  get instance(): string {
    return this.parts.instances.self.id;
  }

  /** What keeps this instance from the others, and where to look; null if nothing does. */
  get problem(): string | null {
    const { control, media, instances, records } = this.parts;
    if (!control.connected) {
      return 'NATS cannot be reached: people on other instances are missing here, and joins get 503; see NATS_URL';
    }
    if (!media.connected) {
      return 'the link to NATS for media is down: nobody hears people on other instances; the log has the reason';
    }
    if (this.parts.relay.detached) {
      return 'the relay of packets failed, so nobody on other instances hears people on this one: drain and restart it, and report the error in its log';
    }
    const refused = [...new Set([...control.refused, ...media.refused])];
    if (refused.length > 0) return `NATS forbids this instance the subjects ${refused.join(', ')}: see its permissions`;
    if (records.lagMs > MAX_LAG_MS) {
      return 'NATS does not serve the memberships, so joins get 503: see its JetStream, and whether a majority runs';
    }
    if (records.refusal !== null) {
      return `NATS does not change the memberships (${records.refusal}), so joins get 503: see its JetStream and its disk`;
    }
    if (records.overflow > 0) {
      return `the cluster has ${records.overflow} users more than MAX_MEMBERSHIPS, who are missing here: raise it`;
    }
    return instances.duplicate;
  }

  /** What is wrong though this instance reaches others, and new clients may come. */
  get warnings(): string[] {
    const { instances, records } = this.parts;
    return [...instances.warnings, ...records.warnings];
  }

  /** Returns on how many instances each conversation has connections; those without any are left out. */
  spans(): ReadonlyMap<string, number> {
    return new Map(Array.from(this.places(), ([id, instances]) => [id, instances.size]));
  }

  /** Asks the others for the connections of users in a conversation. Takes a second at most; never rejects. */
  conversation(id: string): Promise<Found> {
    return this.parts.inquiry.ask('conversation', id);
  }

  /** Asks the others for a user's connections. Takes a second at most; never rejects. */
  user(userid: string): Promise<Found> {
    return this.parts.inquiry.ask('user', userid);
  }

  overview(): Overview {
    const all = this.look();
    const now = this.parts.timers.now();
    const { problem } = this;
    const names = new Map(all.map(({ id, incarnation }) => [incarnation, id]));
    const spanning = [...this.places()].filter(([, instances]) => instances.size > 1);
    const largest = spanning.sort(([, a], [, b]) => b.size - a.size).slice(0, MAX_LISTED);
    return {
      whole: problem === null,
      problem,
      warnings: this.warnings,
      instances: all.map((instance, i) => this.show(instance, i === 0, now)),
      spanning: {
        total: spanning.length,
        conversations: largest.map(([id, instances]) => {
          return { id, instances: Array.from(instances, (one) => names.get(one) ?? one).sort() };
        }),
      },
    };
  }

  close(): void {
    this.looking();
  }

  /** Returns this instance and the others, and notes what they count. */
  private look(): readonly Instance[] {
    const { instances, figures, timers } = this.parts;
    const { id, incarnation, version, host } = instances.self;
    const self = { id, incarnation, version, host, ...figures(), rttMs: 0, silentMs: 0 };
    const all = [self, ...instances.all()];
    this.history.look(all, timers.now());
    return all;
  }

  private show(instance: Instance, self: boolean, now: number): ShownInstance {
    const { relayedIn: _in, relayedOut: _out, dropped: _dropped, ...shown } = instance;
    const { history } = this;
    const seconds = Math.round((now - (history.since(instance.incarnation) ?? now)) / 1000);
    return { ...shown, self, seconds, relay: history.rates(instance.incarnation) };
  }

  /** Returns the living instances with connections of each conversation's users. */
  private places(): ReadonlyMap<string, ReadonlySet<string>> {
    const { records, instances } = this.parts;
    const places = new Map<string, Set<string>>();
    for (const { conversation, connections } of records.all()) {
      if (conversation === null) continue;
      for (const { instance } of connections) {
        if (!instances.isAlive(instance)) continue;
        const all = places.get(conversation);
        if (all === undefined) places.set(conversation, new Set([instance]));
        else all.add(instance);
      }
    }
    return places;
  }
}
