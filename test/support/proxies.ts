/** The reverse proxies of a deployment, started from the files in `deploy/`. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse, stringify } from 'yaml';
import { type Child, findProgram, freeTcpPort, listens, startChild } from './child.ts';
import type { Scenarios } from './scenario.ts';
import { until } from './waiting.ts';

const DEPLOY = fileURLToPath(new URL('../../../deploy/', import.meta.url));

export type ProxyKind = 'nginx' | 'traefik';

/** Ports of this machine to which the proxy passes requests on. */
export interface Upstreams {
  readonly server: number;
  readonly auth: number;
  /** The other instances of a cluster: all of them get requests in turn. */
  readonly others?: readonly number[];
  /** What the proxy shows the server with each request; nothing by default. */
  readonly secret?: string;
  /** The next instance, while the upgrade of a single one is under way. */
  readonly next?: number;
}

/** A limit of requests from one address that replaces the shipped one, which takes long to reach. */
export interface Limit {
  readonly perMinute: number;
  readonly burst: number;
}

export interface ReverseProxy {
  readonly port: number;
  /** `http://127.0.0.1:port/webrtc` */
  readonly url: string;
  /** Returns everything that it has logged. */
  logs(): string;
  /** Changes the upstreams as an operator would: changes the file and has the proxy read it again. */
  lead(upstreams: Upstreams): void;
  stop(): Promise<void>;
}

const folders: string[] = [];
process.on('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** Process groups that run. */
const groups = new Set<number>();
process.on('exit', () => groups.forEach(endGroup));

function endGroup(group: number): void {
  groups.delete(group);
  try {
    process.kill(-group, 'SIGKILL');
  } catch {
    // No process of the group runs any more.
  }
}

/** Creates a temporary folder, which is removed when this process exits. */
export function temporaryFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `${name}-`));
  folders.push(folder);
  return folder;
}

/**
 * Returns the path of a proxy's program, or undefined if it is not installed. REQUIRE_TOOLS requires nginx; traefik is
 * optional, for Debian does not have it. `TRAEFIK` may name its program.
 */
export function proxyProgram(kind: ProxyKind): string | undefined {
  return kind === 'traefik' ? (process.env['TRAEFIK'] ?? findProgram(kind)) : findProgram(kind);
}

/** Adds a scenario for each kind of proxy: skipped where it is not installed, failed if it has to be. */
export function behindProxies(
  test: Scenarios,
  name: string,
  body: (kind: ProxyKind) => Promise<void>,
  seconds?: number,
): void {
  for (const kind of ['nginx', 'traefik'] as const) {
    const full = `${kind}: ${name}`;
    if (proxyProgram(kind) !== undefined) test(full, () => body(kind), seconds);
    else if (kind === 'nginx' && process.env['REQUIRE_TOOLS'] === '1') {
      test(full, () => {
        throw new Error('nginx is not installed, and REQUIRE_TOOLS is set');
      });
    } else test.skip(full, `${kind} is not installed`);
  }
}

/** Starts a proxy with the shipped configuration; only ports and paths differ. */
export async function startProxy(kind: ProxyKind, upstreams: Upstreams, limit?: Limit): Promise<ReverseProxy> {
  const port = await freeTcpPort();
  const folder = temporaryFolder(kind);
  const { child, files, lead } = await (kind === 'nginx' ? startNginx : startTraefik)(folder, port, upstreams, limit);
  await listens(port, child);
  const logs = (): string =>
    [...child.lines, ...files.map((file) => readFileSync(join(folder, file), 'utf8'))].join('\n');
  if (kind === 'traefik') await routesOfTraefik(port, child);
  const stop = async (): Promise<void> => void (await child.stop('SIGKILL'));
  return { port, url: `http://127.0.0.1:${port}/webrtc`, logs, lead, stop };
}

interface Started {
  readonly child: Child;
  /** Log files in the folder. */
  readonly files: readonly string[];
  lead(upstreams: Upstreams): void;
}

function writeNginx(folder: string, port: number, upstreams: Upstreams, limit?: Limit): void {
  const { server, auth, others, next, secret } = upstreams;
  const instances = [server, ...(others ?? [])].map((one) => `server 127.0.0.1:${one} max_fails=0;`);
  // As the guide says for a single instance.
  if (next !== undefined) instances.push(`server 127.0.0.1:${next} backup;`);
  const changes: readonly (readonly [from: string, to: string])[] = [
    ['server 127.0.0.1:8080 max_fails=0;', instances.join(' ')],
    ['server 127.0.0.1:8180 max_fails=0;', ''],
    ['server 127.0.0.1:8090;', `server 127.0.0.1:${auth};`],
    ['listen 80;', `listen 127.0.0.1:${port};`],
    ['/var/log/nginx/backend-webrtc.log', join(folder, 'access.log')],
    ['/etc/nginx/backend-webrtc-secre[t]', join(folder, 'backend-webrtc-secre[t]')],
    ['/var/log/nginx/backend-webrtc-error.log', join(folder, 'error.log')],
    ...(limit === undefined
      ? []
      : ([
          ['rate=50r/s', `rate=${limit.perMinute}r/m`],
          ['burst=1500 ', `burst=${limit.burst} `],
        ] as const)),
  ];
  let shipped = readFileSync(join(DEPLOY, 'nginx.conf'), 'utf8');
  for (const [from, to] of changes) {
    if (shipped.split(from).length !== 2) throw new Error(`deploy/nginx.conf does not have ${from} just once`);
    shipped = shipped.replace(from, to);
  }
  if (secret !== undefined) writeFileSync(join(folder, 'backend-webrtc-secret'), `default "${secret}";\n`);
  writeFileSync(join(folder, 'backend-webrtc.conf'), shipped);
}

function startNginx(folder: string, port: number, upstreams: Upstreams, limit?: Limit): Started {
  writeNginx(folder, port, upstreams, limit);
  // Debian's default paths belong to root.
  const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => {
    mkdirSync(join(folder, name));
    return `${name}_temp_path ${join(folder, name)};`;
  });
  const main = `daemon off; ${process.getuid?.() === 0 ? 'user root; ' : ''}worker_processes 1; pid ${folder}/pid; error_log stderr warn;
events {}
http { ${places.join(' ')} access_log off; include ${folder}/backend-webrtc.conf; }
`;
  writeFileSync(join(folder, 'nginx.conf'), main);
  // nginx reloads only with a master process, so there are several processes, which end as a group.
  const command = ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr'];
  const child = startChild(proxyProgram('nginx')!, command, { detached: true });
  const group = child.process.pid!;
  groups.add(group);
  void child.exited.then(() => endGroup(group));
  const lead = (others: Upstreams): void => {
    writeNginx(folder, port, others, limit);
    child.process.kill('SIGHUP');
  };
  return { child, files: ['access.log', 'error.log'], lead };
}

async function startTraefik(folder: string, port: number, upstreams: Upstreams, limit?: Limit): Promise<Started> {
  const loopback = await freeTcpPort();
  const fixed = parse(readFileSync(join(DEPLOY, 'traefik/traefik.yaml'), 'utf8'));
  fixed.entryPoints.web.address = `127.0.0.1:${port}`;
  fixed.entryPoints.auth.address = `127.0.0.1:${loopback}`;
  fixed.providers.file.filename = join(folder, 'dynamic.yaml');
  writeFileSync(join(folder, 'traefik.yaml'), stringify(fixed));
  const write = (to: Upstreams): void =>
    writeFileSync(join(folder, 'dynamic.yaml'), stringify(routesOf(loopback, to, limit)));
  write(upstreams);
  const child = startChild(proxyProgram('traefik')!, [`--configFile=${join(folder, 'traefik.yaml')}`], {
    env: { ...process.env, PROXY_SECRET: upstreams.secret ?? '' },
  });
  return { child, files: [], lead: write };
}

/**
 * Returns the shipped routes with other upstreams.
 *
 * @param loopback port of the entry point on the way to backend-auth.
 */
function routesOf(loopback: number, { server, auth, others, next }: Upstreams, limit?: Limit): object {
  const dynamic = parse(readFileSync(join(DEPLOY, 'traefik/dynamic.yaml'), 'utf8'));
  const { services, middlewares } = dynamic.http;
  const lead = (name: string, to: number): void => {
    services[name].loadBalancer.servers[0].url = `http://127.0.0.1:${to}`;
  };
  lead('backend-webrtc-a', server);
  if (next !== undefined) lead('backend-webrtc-b', next);
  services['backend-webrtc-cluster'].loadBalancer.servers = [server, ...(others ?? [])].map((one) => ({
    url: `http://127.0.0.1:${one}`,
  }));
  const chosen = others !== undefined ? 'cluster' : next !== undefined ? 'a-then-b' : 'a';
  services['backend-webrtc'].weighted.services[0].name = `backend-webrtc-${chosen}`;
  lead('backend-auth', auth);
  if (limit !== undefined) {
    Object.assign(middlewares.limit.rateLimit, { average: limit.perMinute, period: '1m', burst: limit.burst });
  }
  middlewares['backend-auth'].forwardAuth.address = `http://127.0.0.1:${loopback}/`;
  return dynamic;
}

/** Waits until traefik has its routes: it listens before it has them, and answers 404 until then. */
async function routesOfTraefik(port: number, child: Child): Promise<void> {
  const preflight = { Origin: 'http://a.example', 'Access-Control-Request-Method': 'POST' };
  const hasRoutes = async (): Promise<boolean> =>
    (await fetch(`http://127.0.0.1:${port}/webrtc/`, { method: 'OPTIONS', headers: preflight })).status !== 404;
  await until('traefik has its routes', hasRoutes).catch((error: Error) => {
    throw new Error(`${error.message}:\n${child.lines.join('\n')}`);
  });
}
