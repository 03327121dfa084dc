/** The clients of a measured cluster: groups of speakers and of listeners, each at one instance. */
import { ClientGroup, MAX_CLIENTS } from '../room/client-group.ts';
import type { GroupOptions, GroupReport } from '../room/protocol.ts';
import { sum } from './figures.ts';
import { type Cluster, type Relayed, relayed, type Spent, spent } from './instances.ts';
import type { SpurtOptions } from './spurts.ts';

const CLIENT_PORTS: readonly [number, number] = [30_000, 39_999];
export const PAYLOAD_BYTES = 100;
const PACKET_MS = 20;
export const WARM_UP_MS = 3000;

/** People of one kind at one instance. */
export interface Party {
  /** Index of the instance. */
  readonly at: number;
  readonly count: number;
  readonly speaks: boolean;
  /** Slots of a listener. */
  readonly slots: number;
  /** Listeners whose packets are examined, all of them by default; the others decrypt and discard theirs. */
  readonly measured?: number;
  /** If given, each has a conversation of its own, numbered from this on; otherwise all are in the same. */
  readonly firstRoom?: number;
  /** When they talk; all the time by default. The first has this seed, and each of the others the next one. */
  readonly spurts?: SpurtOptions;
}

export interface Span {
  readonly seconds: number;
  /** How long people talk before the measurement, 3 s by default. */
  readonly warmUpSeconds?: number;
  /** UDP ports whose packets the kernel drops, for listeners that are not measured; null if it drops none. */
  readonly sinks: readonly [number, number] | null;
}

/** What was measured while people talked. Rates are per second. */
export interface Measured extends Spent {
  /** What the same people cost while nobody talked. */
  readonly idle: Spent;
  /** Packets that the speakers sent. */
  readonly spoken: number;
  /** Packets to listeners, by instance. */
  readonly forwarded: readonly number[];
  /** Packets that the instances relayed, by instance; its drops are counts. */
  readonly relayed: readonly Relayed[];
  /** Share of the measured listeners' packets that are missing. */
  readonly loss: number;
  readonly received: number;
  /** One-way latencies, sorted, milliseconds. */
  readonly latencies: readonly number[];
  /** Delay of the clients' own event loops, 99th percentile, milliseconds. */
  readonly clientsLateMs: number;
}

/** Connects people to a cluster, lets them talk, and measures. */
export async function measurePeople(cluster: Cluster, parties: readonly Party[], span: Span): Promise<Measured> {
  const groups: { readonly party: Party; readonly group: ClientGroup; readonly measured: boolean }[] = [];
  try {
    for (const [i, party] of parties.entries()) {
      for (const options of split(party, `p${i}`, span)) {
        const group = new ClientGroup();
        groups.push({ party, group, measured: options.measured });
        await group.open({ ...options, url: cluster.instances[party.at]!.url });
      }
    }
    await pause(WARM_UP_MS);
    const quiet = cluster.cpu();
    await pause(Math.min(5000, span.seconds * 1000));
    const idle = spent(quiet, cluster.cpu());
    for (const { party, group } of groups) {
      if (party.speaks) await group.talk(PAYLOAD_BYTES, PACKET_MS, false, party.spurts ?? null);
    }
    await pause(span.warmUpSeconds === undefined ? WARM_UP_MS : span.warmUpSeconds * 1000);
    const before = await cluster.scrapes();
    for (const { group } of groups) group.tell({ type: 'reset' });
    const begun = cluster.cpu();
    await pause(span.seconds * 1000);
    const during = spent(begun, cluster.cpu());
    const speakers: GroupReport[] = [];
    const listeners: GroupReport[] = [];
    for (const { party, group, measured } of groups) {
      if (party.speaks) speakers.push(await group.report());
      else if (measured) listeners.push(await group.report());
    }
    const after = await cluster.scrapes();
    const rate = (count: number): number => count / during.seconds;
    const received = sum(listeners.map((report) => report.received));
    const lost = sum(listeners.map((report) => report.lost));
    return {
      ...during,
      idle,
      spoken: rate(sum(speakers.map(({ sent }) => sent))),
      forwarded: after.map((one, i) => rate(forwarded(one) - forwarded(before[i]!))),
      relayed: after.map((one, i) => {
        const [from, to] = [relayed(before[i]!), relayed(one)];
        return { in: rate(to.in - from.in), out: rate(to.out - from.out), dropped: to.dropped - from.dropped };
      }),
      loss: lost / Math.max(1, received + lost),
      received: rate(received),
      latencies: listeners.flatMap(({ latencies }) => latencies).sort((a, b) => a - b),
      clientsLateMs: Math.max(...[...speakers, ...listeners].map(({ loopP99Ms }) => loopP99Ms)),
    };
  } finally {
    for (const { group } of groups) group.end();
  }
}

/** Returns the groups of a party: the measured ones first, and no group too large for its process. */
function* split(party: Party, name: string, { sinks }: Span): Generator<Omit<GroupOptions, 'url'>> {
  const { count, speaks, slots, firstRoom, spurts } = party;
  const measured = speaks ? 0 : (party.measured ?? count);
  for (let done = 0; done < count; ) {
    const examined = done < measured;
    const size = Math.min(MAX_CLIENTS, (examined ? measured : count) - done);
    yield {
      room: 'bench',
      ...(firstRoom === undefined ? {} : { firstRoom: firstRoom + done }),
      name: `${name}-${done}`,
      count: size,
      slots,
      publishes: speaks,
      levels: spurts !== undefined,
      measured: examined,
      ports: speaks || examined ? CLIENT_PORTS : (sinks ?? CLIENT_PORTS),
    };
    done += size;
  }
}

function forwarded(metrics: { sum(name: string): number }): number {
  return metrics.sum('sfu_worker_packets_forwarded_total');
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
