/** The servers of a soak: one by itself, or a cluster on a real NATS. */
import { setTimeout as delay } from 'node:timers/promises';
import { fixedPort } from '../support/fixed-ports.ts';
import { NatsServer } from '../support/nats.ts';
import { NatsMonitor } from '../support/nats-monitor.ts';
import { freeUdpPort, type RunningServer, startServer } from '../support/server.ts';
import type { Report } from './report.ts';

const START_ATTEMPTS = 3;
/** How long a cluster may take to forget users and conversations that nobody is left of, milliseconds. */
const FORGET_TIMEOUT_MS = 20_000;

const ENVIRONMENT = {
  NODE_ENV: 'production',
  NODE_OPTIONS: '--max-semi-space-size=1 --max-old-space-size=40',
  WORKERS: '2',
  EVENTS_INTERVAL_MS: '100',
  OFFER_TIMEOUT_MS: '2000',
  CONNECT_TIMEOUT_MS: '10000',
  MEMBERSHIP_TIMEOUT_MS: '3000',
  STATS_INTERVAL_MS: '1000',
  // A machine that is busy with other work for a second must not leave a hole in the reference call.
  MAX_DELAY_MS: '60000',
};

/**
 * Starts a server as in production, except for short time-outs and a small heap: V8 lets dozens of MiB of garbage
 * gather, in which a leak would hide for hours, and only 11 MiB are in use.
 */
export async function startSoaked(env: Readonly<Record<string, string>> = {}): Promise<RunningServer> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await startServer({
        ...ENVIRONMENT,
        MEDIA_PORTS: `${await freeUdpPort()},${await freeUdpPort()}`,
        ...env,
      });
    } catch (error) {
      // Another process may have taken the port since it was found free.
      if (attempt === START_ATTEMPTS || !String(error).includes('EADDRINUSE')) throw error;
    }
  }
}

export interface Soaked {
  readonly servers: readonly RunningServer[];
  /** Checks that nothing of users and conversations is left on the bus, once everybody is gone. */
  emptied(report: Report): Promise<void>;
  /** Ends the servers; an exit code other than 0 is a violation. */
  stop(report: Report): Promise<void>;
}

/** Starts so many servers, which are a cluster if there are several. */
export async function startAllSoaked(instances: number): Promise<Soaked> {
  return instances === 1 ? startOne() : startCluster(instances);
}

async function startOne(): Promise<Soaked> {
  const servers = [await startSoaked()];
  return { servers, emptied: () => Promise.resolve(), stop: (report) => stopAll(servers, report) };
}

async function startCluster(instances: number): Promise<Soaked> {
  const monitor = new NatsMonitor(await fixedPort());
  const nats = await NatsServer.start({ config: monitor.config });
  const servers: RunningServer[] = [];
  for (let i = 0; i < instances; i++)
    servers.push(await startSoaked({ NATS_URL: nats.url, INSTANCE_ID: `soaked-${i}` }));
  const before = await quietSubjects(monitor);
  const emptied = async (report: Report): Promise<void> => {
    const left = async (): Promise<string> => {
      const subjects = await monitor.subjects();
      const more = surplus(subjects, before);
      const records = await monitor.messages('KV_sfu_users');
      return [...(records > 0 ? [`${records} records`] : []), ...more].join(', ');
    };
    const deadline = performance.now() + FORGET_TIMEOUT_MS;
    while ((await left()) !== '' && performance.now() < deadline) await delay(500);
    const rest = await left();
    if (rest !== '') report.violated(`with nobody there NATS still has ${rest}`);
  };
  const stop = async (report: Report): Promise<void> => {
    await stopAll(servers, report);
    const rest = await monitor.subjects();
    if (rest.length > 0) report.violated(`after the end of all instances there are subscriptions: ${rest}`);
    await nats.kill();
  };
  return { servers, emptied, stop };
}

/** Returns the subscriptions of instances that have nobody yet, once they no longer change. */
async function quietSubjects(monitor: NatsMonitor): Promise<readonly string[]> {
  let last = await monitor.subjects();
  for (let looks = 0; looks < 20; looks++) {
    await delay(500);
    const now = await monitor.subjects();
    if (now.join() === last.join()) return now;
    last = now;
  }
  return last;
}

/** Returns what a sorted list has more of than another. Inboxes have random names, so only their number counts. */
function surplus(subjects: readonly string[], before: readonly string[]): string[] {
  const plain = (subject: string): string => subject.replace(/^sfu\.inbox\..*/, 'sfu.inbox');
  const left = new Map<string, number>();
  for (const subject of before) left.set(plain(subject), (left.get(plain(subject)) ?? 0) + 1);
  return subjects.filter((subject) => {
    const count = left.get(plain(subject)) ?? 0;
    left.set(plain(subject), count - 1);
    return count <= 0;
  });
}

async function stopAll(servers: readonly RunningServer[], report: Report): Promise<void> {
  for (const server of servers) {
    const code = await server.stop();
    if (code !== 0) report.violated(`the server ended with ${code}`);
  }
}
