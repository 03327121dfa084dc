/** The files of `deploy/` agree with each other, with the server, and with their guide. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { equal, is, match, not, ok, throws } from 'uvu/assert';
import * as v from 'valibot';
import { parse, parseAllDocuments } from 'yaml';
import { DEFAULTS, readConfig } from '../../src/main/config.ts';
import { Compose, inside, readRule, TraefikFixed, TraefikRoutes } from '../support/deployment.ts';
import { scenarios } from '../support/scenario.ts';

const test = scenarios('deploy');
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const DEPLOY = join(ROOT, 'deploy');
const read = (file: string): string => readFileSync(join(DEPLOY, file), 'utf8');

const routes = v.parse(TraefikRoutes, parse(read('traefik/dynamic.yaml'))).http;
const fixed = v.parse(TraefikFixed, parse(read('traefik/traefik.yaml')));
const compose = v.parse(Compose, parse(read('compose.yaml'), { merge: true }));
const guide = read('README.md');
const instances = Object.entries(compose.services).filter(([name]) => name.startsWith('backend-webrtc-'));

/** Returns what a job of prometheus.yaml scrapes. */
function scraped(job: string): string[] {
  const { scrape_configs } = parse(read('prometheus.yaml')) as {
    scrape_configs: { job_name: string; static_configs: { targets: string[] }[] }[];
  };
  const found = scrape_configs.find(({ job_name }) => job_name === job)!;
  return found.static_configs.flatMap(({ targets }) => targets);
}

test('every YAML file is valid, without a duplicate key', () => {
  const files = readdirSync(DEPLOY, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.yaml'));
  ok(files.length >= 6, String(files));
  for (const file of files) {
    for (const document of parseAllDocuments(read(file), { merge: true })) {
      equal([...document.errors, ...document.warnings].map(String), [], file);
    }
  }
});

test('traefik: routers name only what exists, and everything that exists is named', () => {
  const { routers, middlewares, services, serversTransports } = routes;
  const named = Object.values(routers).flatMap((router) => router.middlewares);
  equal([...new Set(named)].sort(), Object.keys(middlewares).sort());
  for (const { entryPoints, service, rule } of Object.values(routers)) {
    for (const entryPoint of entryPoints) ok(entryPoint in fixed.entryPoints, entryPoint);
    ok(service in services, service);
    ok(readRule(rule).length > 0);
  }
  for (const [name, service] of Object.entries(services)) {
    const others =
      'failover' in service
        ? [service.failover.service, service.failover.fallback]
        : 'weighted' in service
          ? service.weighted.services.map((one) => one.name)
          : [];
    for (const other of others) ok(other in services, `${name}: ${other}`);
    if ('loadBalancer' in service) ok(service.loadBalancer.serversTransport in serversTransports, name);
  }
});

test('traefik: a rule is read by its grammar', () => {
  equal(readRule('PathPrefix(`/a`) && Method(`OPTIONS`)'), [
    { matcher: 'PathPrefix', value: '/a' },
    { matcher: 'Method', value: 'OPTIONS' },
  ]);
  for (const bad of [
    '',
    'PathPrefix(/a)',
    'PathPrefix(`/a`) &&',
    'Paths(`/a`)',
    'PathPrefix(`/a`',
    'Method(`a`, `b`)',
  ]) {
    throws(() => readRule(bad), undefined, bad);
  }
});

test('traefik: every route is below /webrtc/, and each but that of OPTIONS asks backend-auth', () => {
  for (const [name, router] of Object.entries(routes.routers)) {
    if (name === 'backend-auth') continue;
    equal(router.entryPoints, ['web'], name);
    const rule = readRule(router.rule);
    equal(rule[0], { matcher: 'PathPrefix', value: '/webrtc/' }, name);
    const preflight = rule.some(({ matcher, value }) => matcher === 'Method' && value === 'OPTIONS');
    const expected = preflight
      ? ['cors', 'no-claim', 'no-token', 'secret', 'strip-webrtc']
      : [
          'cors',
          'limit',
          'open',
          'body',
          'no-claim',
          'backend-auth',
          'no-token',
          'secret',
          'strip-webrtc',
          'next-instance',
        ];
    equal(router.middlewares, expected, name);
  }
  const [plain, options] = [routes.routers['backend-webrtc']!, routes.routers['backend-webrtc-options']!];
  ok(options.priority > plain.priority, 'OPTIONS has to be looked at first');
});

test('traefik: the claim is that of backend-auth alone, and only the token goes there', () => {
  equal(routes.middlewares['backend-auth'], {
    forwardAuth: {
      address: `http://${fixed.entryPoints['auth']!.address}/`,
      authResponseHeaders: ['X-User-Claim'],
      trustForwardHeader: true,
      authRequestHeaders: ['Authorization'],
      maxResponseBodySize: 16384,
    },
  });
  is(fixed.entryPoints['web']!.forwardedHeaders, undefined, 'nobody is believed');
  match(fixed.entryPoints['auth']!.address, /^127\.0\.0\.1:/, 'nobody else comes there');
  const { entryPoints, service } = routes.routers['backend-auth']!;
  equal([entryPoints, service], [['auth'], 'backend-auth']);
  equal(routes.middlewares['no-claim'], {
    headers: { customRequestHeaders: { 'X-User-Claim': '', 'X-Request-Id': '' } },
  });
  equal(routes.middlewares['strip-webrtc'], { stripPrefix: { prefixes: ['/webrtc'] } });
  is(fixed.accessLog.fields.queryParameters.defaultMode, 'drop', 'the query holds the token');
  is(fixed.accessLog.fields.headers.defaultMode, 'drop');
});

test('traefik shows the secret of its own environment, to the health check, too, and the instances expect the same', () => {
  const header = { 'X-Proxy-Secret': '{{ env `PROXY_SECRET` }}' };
  equal(routes.middlewares['secret'], { headers: { customRequestHeaders: header } });
  const cluster = routes.services['backend-webrtc-cluster']!;
  ok('loadBalancer' in cluster);
  equal(cluster.loadBalancer.healthCheck!.headers, header);
  for (const name of ['traefik', ...instances.map(([instance]) => instance)]) {
    match(compose.services[name]!.environment['PROXY_SECRET']!, /^\$\{PROXY_SECRET-\}$/, name);
  }
});

test('operators have no token unless they say where it is, in a folder that is theirs to fill', () => {
  for (const [name, { environment, volumes }] of instances) {
    match(environment['ADMIN_TOKEN_FILE']!, /^\$\{ADMIN_TOKEN_FILE-\}$/, name);
    ok(volumes.includes('./secrets:/secrets:ro'), name);
  }
  match(read('secrets/.gitignore'), /^\*\n!\.gitignore\n$/m);
});

test('nginx and traefik allow the same to other origins', () => {
  const { headers } = routes.middlewares['cors'] as { headers: Record<string, string[]> };
  equal(headers['accessControlExposeHeaders'], ['Retry-After']);
  equal(headers['accessControlAllowOriginList'], ['*']);
  equal(headers['accessControlAllowHeaders'], ['Content-Type', 'Authorization', 'X-User-Claim']);
  const nginx = read('nginx.conf');
  for (const [name, list] of [
    ['Headers', headers['accessControlAllowHeaders']!],
    ['Methods', headers['accessControlAllowMethods']!],
  ] as const) {
    ok(nginx.includes(`add_header Access-Control-Allow-${name} "${list.join(', ')}" always;`), name);
  }
});

test('traefik leads to services of compose.yaml, on the port of the service, in a network that both are in', () => {
  const targets = Object.values(routes.services).flatMap((service) =>
    'loadBalancer' in service ? service.loadBalancer.servers.map(({ url }) => new URL(url)) : [],
  );
  const hosts = new Set(targets.map(({ hostname }) => hostname));
  equal([...hosts].sort(), ['backend-auth', ...instances.map(([name]) => name)].sort());
  for (const { hostname, port } of targets) {
    const { networks, environment } = compose.services[hostname]!;
    ok('proxy' in networks, hostname);
    is(environment['LISTEN']?.slice(1) ?? environment['PORT'], port, hostname);
  }
  equal(Object.keys(compose.services['traefik']!.networks), ['proxy']);
});

test('traefik: as shipped, every request may go to any instance, and to the next one where one refuses', () => {
  const { services, middlewares } = routes;
  const chosen = services['backend-webrtc']!;
  ok('weighted' in chosen);
  equal(chosen.weighted.services, [{ name: 'backend-webrtc-cluster' }]);
  const cluster = services['backend-webrtc-cluster']!;
  ok('loadBalancer' in cluster);
  equal(
    cluster.loadBalancer.servers.map(({ url }) => new URL(url).hostname),
    instances.map(([name]) => name),
  );
  equal(middlewares['next-instance'], {
    retry: { attempts: instances.length + 1, status: ['502', '503', '504'], retryNonIdempotentMethod: true },
  });
  // The schema allows neither a cookie nor a strategy other than turns.
  match(read('nginx.conf'), /proxy_next_upstream error timeout http_503 non_idempotent;/);
  not.match(read('nginx.conf'), /ip_hash|hash \$|sticky|backup;$/m);
});

test('nginx and traefik have the same limits, and those of the server', () => {
  const { limit, open, body } = routes.middlewares as Record<string, Record<string, Record<string, unknown>>>;
  const nginx = read('nginx.conf');
  const only = (pattern: RegExp): number => Number(pattern.exec(nginx)![1]);
  is(only(/rate=(\d+)r\/s/), limit!['rateLimit']!['average']);
  is(only(/limit_req zone=\w+ burst=(\d+) nodelay/), limit!['rateLimit']!['burst']);
  is(only(/limit_conn \w+ (\d+);/), open!['inFlightReq']!['amount']);
  is(only(/client_max_body_size (\d+)k;/) * 1024, body!['buffering']!['maxRequestBodyBytes']);
  const { transport, http } = fixed.entryPoints['web']!;
  is(only(/large_client_header_buffers 4 (\d+)k;/) * 1024, http.maxHeaderBytes);
  is(String(http.maxHeaderBytes), DEFAULTS['MAX_HEADER_BYTES']);
  is(transport!.respondingTimeouts.readTimeout, `${only(/client_body_timeout (\d+)s;/)}s`);
  is(only(/client_header_timeout (\d+)s;/) * 1000, Number(DEFAULTS['REQUEST_TIMEOUT_MS']));
});

test('the operators’ listener is in a network without traefik, and published nowhere', () => {
  const { subnet, ip_range: dynamic } = compose.networks['monitoring']!.ipam!.config[0]!;
  is(compose.networks['monitoring']!.internal, true);
  for (const [name, { environment, networks, ports }] of instances) {
    const [host = '', port = ''] = environment['ADMIN_LISTEN']!.split(':');
    ok(isIPv4(host) && inside(host, subnet) && !inside(host, dynamic), host);
    is(networks['monitoring']!.ipv4_address, host, name);
    for (const published of ports) ok(!published.includes(port), published);
    for (const file of ['traefik/traefik.yaml', 'traefik/dynamic.yaml', 'nginx.conf'])
      ok(!read(file).includes(port), file);
  }
  equal(
    scraped('backend-webrtc'),
    instances.map(([, { environment }]) => environment['ADMIN_LISTEN']),
  );
});

test('the server accepts each instance’s configuration, and each has time to drain', () => {
  const ranges: string[] = [];
  for (const [name, service] of instances) {
    match(service.environment['ANNOUNCED_ADDRESS']!, /^\$\{ANNOUNCED_ADDRESS:\?.+\}$/, 'nothing goes without it');
    const environment: Record<string, string> = {
      ...service.environment,
      ANNOUNCED_ADDRESS: '203.0.113.7',
      PERMISSIONS_HOST: '',
      NATS_URL: 'nats://sfu:p1@nats:4222',
      TURN_URLS: 'turn:turn.example.org:3478',
      TURN_SECRET: '0123456789abcdef',
      PROXY_SECRET: '',
      WEBHOOK_URL: 'http://hooks:8000/',
      WEBHOOK_SECRET: '0123456789abcdef',
      ADMIN_TOKEN_FILE: '',
    };
    for (const variable of Object.keys(environment)) ok(variable in DEFAULTS, variable);
    const config = readConfig(environment);
    const seconds = /^(\d+)s$/.exec(service.stop_grace_period!)?.[1];
    ok(Number(seconds) * 1000 > config.DRAIN_TIMEOUT_MS + config.SHUTDOWN_TIMEOUT_MS, name);
    const range = environment['MEDIA_PORTS']!;
    equal(service.ports, [`${range}:${range}/udp`], 'candidates name the port: inside and outside are the same');
    ranges.push(...config.MEDIA_PORTS.map(String));
  }
  is(new Set(ranges).size, ranges.length, 'both run at the same time, on ports of their own');
  const ids = instances.map(([, { environment }]) => environment['INSTANCE_ID']);
  is(new Set(ids).size, ids.length, 'two with one id refuse to start');
});

test('every container is tight: nothing to write but volumes, no capabilities, a limit of memory and of processes', () => {
  for (const [name, service] of Object.entries(compose.services)) {
    is(service.read_only, true, name);
    equal(service.cap_drop, ['ALL'], name);
    equal(service.cap_add, name === 'traefik' || name === 'coturn' ? ['NET_BIND_SERVICE'] : [], name);
    equal(service.security_opt, ['no-new-privileges:true'], name);
    match(service.mem_limit!, /^\d+[mg]$/, name);
    ok(service.pids_limit! >= 100, name);
  }
});

test('NATS is reached by the instances alone, with the file that is shipped, and its disk is a volume', () => {
  const nats = compose.services['nats']!;
  equal(Object.keys(nats.networks), ['cluster']);
  is(compose.networks['cluster']!.internal, true);
  equal(nats.ports, []);
  const there = Object.entries(compose.services).filter(([, { networks }]) => 'cluster' in networks);
  equal(there.map(([name]) => name).sort(), ['nats', ...instances.map(([name]) => name)].sort());
  const conf = read('nats/nats.conf');
  const store = /^\s+store_dir: (\S+)$/m.exec(conf)![1]!;
  ok(nats.volumes.includes(`nats:${store}`), String(nats.volumes));
  ok(nats.volumes.includes('./nats:/etc/nats:ro'));
  equal(nats.command.slice(0, 2), ['--config', '/etc/nats/nats.conf']);
  const url = /^NATS_URL=(.+)$/m.exec(read('env.example'))![1]!;
  const user = /^\s+user: (\S+)$/m.exec(conf)![1]!;
  is(url, `nats://${user}:\${NATS_PASSWORD}@nats:${/^port: (\d+)$/m.exec(conf)![1]}`);
  match(conf, /^\s+password: \$NATS_PASSWORD$/m);
});

test('images are those of the guide, node’s is the Dockerfile’s, and nothing mounts the engine’s socket', () => {
  const node = /^ARG NODE=(\S+)$/m.exec(read('Dockerfile'))?.[1];
  const told = new Map([...guide.matchAll(/^\| `([\w/]+)` \| `(\S+)` \|/gm)].map(([, name, tag]) => [name!, tag!]));
  is(told.get('node'), node);
  const used = new Set<string>();
  for (const [name, { image, volumes }] of Object.entries(compose.services)) {
    for (const volume of volumes) ok(!volume.includes('docker.sock'), volume);
    if (image.startsWith('backend-webrtc:')) continue;
    const [repository = '', tag = ''] = image.split(':');
    // A tag such as `latest` would change to the next major version.
    match(tag, /^v?\d+(\.\d+)*(-slim|-alpine)?$/, name);
    is(tag, told.get(repository), name);
    used.add(repository);
  }
  equal([...used].sort(), [...told.keys()].sort());
});

const isThere = (path: string): boolean => existsSync(join(DEPLOY, path));

test('every file that compose.yaml mounts exists', () => {
  for (const { volumes } of Object.values(compose.services)) {
    for (const [path = ''] of volumes.map((volume) => volume.split(':', 1))) {
      if (path.startsWith('./')) ok(isThere(path), path);
      else ok(path in compose.volumes, path);
    }
  }
});

test('every variable of compose.yaml is in env.example, and no other', () => {
  const used = new Set([...read('compose.yaml').matchAll(/\$\{(\w+)/g)].map(([, name]) => name!));
  const offered = [...read('env.example').matchAll(/^(\w+)=/gm)].map(([, name]) => name!);
  equal(offered.sort(), [...used, 'COMPOSE_PROFILES'].sort());
});

test('the guide: its variables and files exist', () => {
  const elsewhere = ['COMPOSE_PROFILES', 'VERSION', 'GRAFANA_PASSWORD', 'HTTP_PORT', 'KEY_DIR', 'NATS_PASSWORD'];
  elsewhere.push('TURN_REALM', 'TURN_CERT', 'TURN_KEY');
  for (const [, name] of guide.matchAll(/`([A-Z]+(?:_[A-Z]+)+)(?:=[^`]*)?`/g)) {
    ok(name! in DEFAULTS || elsewhere.includes(name!), name!);
  }
  for (const [, path] of guide.matchAll(/\]\(((?!https?:|#)[^)#]+)(?:#[^)]*)?\)/g)) ok(isThere(path!), path!);
});

test.run();
