/** Browsers in front of a cluster, with a proxy between that sends each request to the next instance. */
import { is } from 'uvu/assert';
import { type Browser, type BrowserKind, browserAvailable, launchBrowser } from './browsers.ts';
import { type ClientPage, openClientPage, startClientGateway } from './client-page.ts';
import { Cluster, type Needs, withLogs } from './cluster.ts';
import type { Gateway } from './gateway.ts';
import { natsPrograms } from './nats.ts';
import { hearsExactly, openVoicePage, TONES, type VoicePage } from './page.ts';
import { proxyProgram } from './proxies.ts';
import type { Scenarios } from './scenario.ts';

const SECONDS = 150;

export interface ClusterFixture {
  readonly cluster: Cluster;
  /** In front of the proxy; it makes the claims. */
  readonly gateway: Gateway;
  /** Opens a page with the shipped client, in the first browser; each page gets another tone. */
  open(user: string): Promise<ClientPage>;
  /** Opens a page with the tests' own client. */
  openVoice(kind: BrowserKind, user: string): Promise<VoicePage>;
}

/** Adds a scenario with these browsers and a cluster of its own. */
export function inClusterBrowsers(
  test: Scenarios,
  kinds: readonly BrowserKind[],
  name: string,
  options: Needs,
  body: (fixture: ClusterFixture) => Promise<void>,
): void {
  const title = `${kinds.join(' and ')}: ${name}`;
  const tools = natsPrograms().length > 0 && proxyProgram('nginx') !== undefined;
  const browsers = kinds.every(browserAvailable);
  const required =
    (browsers || process.env['REQUIRE_BROWSERS'] === '1') && (tools || process.env['REQUIRE_TOOLS'] === '1');
  if (!required) return test.skip(title, `${kinds.join(', ')}, nats-server or nginx not installed`);
  test(title, () => run(kinds, options, body), SECONDS);
}

async function run(
  kinds: readonly BrowserKind[],
  options: Needs,
  body: (fixture: ClusterFixture) => Promise<void>,
): Promise<void> {
  const cluster = await Cluster.start(options);
  const browsers = new Map<BrowserKind, Browser>();
  let gateway: Gateway | null = null;
  try {
    const opened = await startClientGateway((await cluster.proxy()).port);
    gateway = opened;
    for (const kind of kinds) browsers.set(kind, await launchBrowser(kind));
    await withLogs(cluster, () => body(fixtureOf(cluster, opened, kinds, browsers)));
  } finally {
    for (const one of browsers.values()) await one.close();
    await gateway?.close();
    await cluster.stop();
  }
}

function fixtureOf(
  cluster: Cluster,
  gateway: Gateway,
  kinds: readonly BrowserKind[],
  browsers: ReadonlyMap<BrowserKind, Browser>,
): ClusterFixture {
  let opened = 0;
  const tone = (): number => TONES[opened++ % TONES.length]!;
  return {
    cluster,
    gateway,
    open: (user) => openClientPage(browsers.get(kinds[0]!)!, gateway, { user, tone: tone() }),
    openVoice: (kind, user) => openVoicePage(browsers.get(kind)!, gateway, { user, tone: tone() }),
  };
}

/** Returns the number of connections that each instance has, in their order. */
export async function spread({ instances }: Cluster): Promise<number[]> {
  const counts: number[] = [];
  for (const instance of instances) counts.push((await instance.read<{ connections: number }>('/readyz')).connections);
  return counts;
}

/** Checks that people are on as many instances as there are. */
export async function areSpread(cluster: Cluster): Promise<void> {
  const counts = await spread(cluster);
  is(counts.filter((count) => count > 0).length, cluster.instances.length, `connections: ${counts}`);
}

/** People of one room, each connected through the proxy, so on the next instance. */
export async function meet(
  { open }: ClusterFixture,
  users: readonly string[],
  conversation = 'attic',
): Promise<ClientPage[]> {
  const pages: ClientPage[] = [];
  for (const user of users) {
    const page = await open(user);
    is(await page.start({ conversation, slots: 4 }), null);
    pages.push(page);
  }
  await together(pages);
  return pages;
}

/** Waits until everybody sees and hears everybody. */
export async function together(pages: readonly ClientPage[]): Promise<void> {
  for (const page of pages) await page.until(`client.state === 'connected' && client.total === ${pages.length}`, 60);
  const others = (page: ClientPage): number[] => pages.filter((one) => one !== page).map(({ tone }) => tone);
  await Promise.all(pages.map((page) => hearsExactly(page, others(page))));
}

/** Returns the longest pause of each voice at each page, and checks that none is missing. */
export async function longestPauses(pages: readonly ClientPage[], users: readonly string[]): Promise<number> {
  const all = await Promise.all(pages.map((page) => page.pauses()));
  const wanted = (i: number): string[] => users.filter((_, j) => j !== i);
  const pauses = all.flatMap((own, i) => wanted(i).map((user) => own[user] ?? Number.POSITIVE_INFINITY));
  const longest = Math.max(...pauses);
  console.log(`longest pauses: ${JSON.stringify(all)}`);
  return longest;
}
