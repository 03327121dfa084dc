/** Measures one server while connections are added that do nothing. */

import { pause } from '../../test/support/waiting.ts';
import { ClientGroup, MAX_CLIENTS } from '../room/client-group.ts';
import { CLIENT_PORTS } from '../room/people.ts';
import { cpuByThread, rssMiB } from '../room/process.ts';
import type { GroupOptions } from '../room/protocol.ts';
import { freeMediaPorts, ServerProcess } from '../room/server-process.ts';
import { SERVER } from '../room/servers.ts';

/** Until the last connections have settled. */
const SETTLING_MS = 4000;
const WARM_UP_MS = 2000;
const PAYLOAD_BYTES = 100;
const INTERVAL_MS = 20;
const PEOPLE_PER_ROOM = 50;
const SHOWN_THREADS = 4;
/** Until the server has given up those who vanished (ICE consent, RFC 7675), and its allocator had time to give back. */
const PARTING_MS = 60_000;

export interface CurveSetup {
  /** Numbers of connections that do nothing, rising. */
  readonly connections: readonly number[];
  readonly ports: number;
  /** Whether they have the data channel for events. */
  readonly events: boolean;
  readonly talkers: number;
  /** Measured time of each part. */
  readonly seconds: number;
  readonly env: Readonly<Record<string, string>>;
}

export interface CurvePoint {
  /** Null before anybody is there, and after they have all left again. */
  readonly connections: number | null;
  /** Whether they have left again. */
  readonly gone: boolean;
  /** While nobody talks, milliseconds of CPU a second. */
  readonly silence: Cost;
  /** CPU of a packet that comes in and is sent to one listener, beyond silence, microseconds. */
  readonly packet: Cost | null;
  /** From client to client, milliseconds. */
  readonly delay: { readonly p50: number; readonly p99: number } | null;
  readonly rssMiB: number | null;
  readonly lost: number;
}

/** CPU of all threads, and of those of each name that took most. */
export interface Cost {
  readonly total: number;
  readonly threads: readonly { readonly name: string; readonly cost: number }[];
}

const NOTHING: Omit<CurvePoint, 'silence'> = {
  connections: null,
  gone: false,
  packet: null,
  delay: null,
  rssMiB: null,
  lost: 0,
};

/** Measures the points one after the other, in one process. */
export async function* measureCurve(setup: CurveSetup): AsyncGenerator<CurvePoint> {
  const say = (text: string): void => void process.stderr.write(`\r\x1b[K${text}`);
  const { talkers, seconds, env } = setup;
  // The figures that the log tells would wake the server, too.
  const server = await ServerProcess.start(SERVER, {
    MEDIA_PORTS: await freeMediaPorts(setup.ports),
    STATS_INTERVAL_MS: '0',
    ...env,
  });
  const groups: ClientGroup[] = [];
  const open = async (options: Partial<GroupOptions> & Pick<GroupOptions, 'name' | 'count'>): Promise<ClientGroup> => {
    const group = new ClientGroup();
    groups.push(group);
    const rest = { room: 'idle', slots: 3, publishes: false, measured: false, ports: CLIENT_PORTS };
    await group.open({ url: server.url, ...rest, ...options });
    return group;
  };
  try {
    say('nobody');
    // A process just started compiles still.
    await pause(SETTLING_MS);
    yield { ...NOTHING, silence: (await use(server, seconds)).cost(1000), rssMiB: rssMiB(server.pid) };
    const listener = await open({ name: 'listener', count: 1, room: 'talk', measured: true });
    const voices = await open({
      name: 'talker',
      count: talkers,
      room: 'talk',
      publishes: true,
      levels: true,
      slots: 0,
    });
    let there = 0;
    for (const connections of setup.connections) {
      while (there < connections) {
        const count = Math.min(MAX_CLIENTS, connections - there);
        say(`${connections - there} more connect`);
        const room = { firstRoom: there, perRoom: PEOPLE_PER_ROOM };
        await open({ name: `idle${there}`, count, data: setup.events, ...room });
        there += count;
      }
      say(`${connections}: silence`);
      await pause(SETTLING_MS);
      const silence = await use(server, seconds);
      await voices.talk(PAYLOAD_BYTES, INTERVAL_MS, false);
      say(`${connections}: talk`);
      await pause(WARM_UP_MS);
      for (const group of [voices, listener]) group.tell({ type: 'reset' });
      const talk = await use(server, seconds);
      const [heard, spoken] = await Promise.all([listener.report(), voices.report()]);
      await voices.hush();
      yield {
        connections,
        gone: false,
        silence: silence.cost(1000),
        packet: talk.cost(1e6 / (spoken.sent / talk.seconds), silence),
        delay: { p50: percentile(heard.latencies, 0.5), p99: percentile(heard.latencies, 0.99) },
        rssMiB: rssMiB(server.pid),
        lost: heard.lost,
      };
    }
    say('everybody leaves');
    for (const group of groups.splice(0)) group.end();
    await pause(PARTING_MS);
    yield { ...NOTHING, gone: true, silence: (await use(server, seconds)).cost(1000), rssMiB: rssMiB(server.pid) };
  } finally {
    say('');
    for (const group of groups) group.end();
    await server.end();
  }
}

/** The CPU that a process took over some seconds. */
class Use {
  readonly seconds: number;
  private readonly threads: ReadonlyMap<string, number>;

  /** @param threads seconds of CPU by name of the threads. */
  constructor(seconds: number, threads: ReadonlyMap<string, number>) {
    this.seconds = seconds;
    this.threads = threads;
  }

  /** Returns the CPU of a second, in a unit of which a second has `scale`. @param without what to subtract. */
  cost(scale: number, without?: Use): Cost {
    const threads = [...this.threads.keys()].map((name) => ({
      name,
      cost: scale * (this.cores(name) - (without?.cores(name) ?? 0)),
    }));
    const total = threads.reduce((sum, { cost }) => sum + cost, 0);
    return { total, threads: threads.toSorted((a, b) => b.cost - a.cost).slice(0, SHOWN_THREADS) };
  }

  private cores(name: string): number {
    return (this.threads.get(name) ?? 0) / this.seconds;
  }
}

/** Measures what the server takes over some seconds. */
async function use(server: ServerProcess, seconds: number): Promise<Use> {
  const [at, before] = [performance.now(), cpuByThread(server.pid)];
  await pause(seconds * 1000);
  const elapsed = (performance.now() - at) / 1000;
  const after = cpuByThread(server.pid);
  return new Use(elapsed, new Map(Array.from(after, ([name, cpu]) => [name, cpu - (before.get(name) ?? 0)])));
}

function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.floor((sorted.length - 1) * share)] ?? 0;
}
