/** The manifests in `deploy/kubernetes/`: tight, and in agreement with each other and with the server. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { equal, is, match, ok } from 'uvu/assert';
import * as v from 'valibot';
import { parseAllDocuments } from 'yaml';
import { DEFAULTS, readConfig } from '../../src/main/config.ts';
import { Budget, type Container, Policy, Service, Workload } from '../support/manifests.ts';
import { scenarios } from '../support/scenario.ts';

const test = scenarios('kubernetes');
const DEPLOY = fileURLToPath(new URL('../../../deploy/', import.meta.url));
const read = (file: string): string => readFileSync(DEPLOY + file, 'utf8');

/** Returns the parts of a file, each of which is exactly of its kind. */
function manifests(file: string) {
  const parts = parseAllDocuments(read(`kubernetes/${file}`)).map((part) => part.toJS());
  const of = <T extends v.GenericSchema>(kind: RegExp, schema: T): v.InferOutput<T> =>
    v.parse(
      schema,
      parts.find((part) => kind.test(part.kind)),
    );
  return {
    workload: of(/^(Deployment|StatefulSet)$/, Workload),
    service: of(/^Service$/, Service),
    budget: of(/^PodDisruptionBudget$/, Budget),
    policy: of(/^NetworkPolicy$/, Policy),
  };
}

const instances = manifests('backend-webrtc.yaml');
const nats = manifests('nats.yaml');
const only = ({ workload }: typeof instances): Container => workload.spec.template.spec.containers[0]!;
const variable = ({ env }: Container, name: string): string | undefined => env.find((one) => one.name === name)?.value;

for (const [name, set] of Object.entries({ instances, nats })) {
  test(`${name}: pods run as no root, write nothing but volumes, have no capabilities and a limit of memory`, () => {
    const { spec } = set.workload.spec.template;
    is(spec.automountServiceAccountToken, false);
    is(spec.securityContext.runAsNonRoot, true);
    ok(spec.securityContext.runAsUser > 0);
    is(spec.securityContext.seccompProfile.type, 'RuntimeDefault');
    const { securityContext, resources, image } = only(set);
    equal(securityContext, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    ok(resources.requests.cpu !== '' && resources.requests.memory !== '' && resources.limits.memory !== '');
    match(image, /:\d+\.\d+/);
  });

  test(`${name}: three, each on a node of its own, of which one at a time may be away`, () => {
    const { workload, budget, policy, service } = set;
    is(workload.spec.replicas, 3);
    const labels = workload.spec.template.metadata.labels;
    for (const selector of [workload.spec.selector, budget.spec.selector, policy.spec.podSelector]) {
      equal(selector.matchLabels, labels);
    }
    equal(service.spec.selector, labels);
    is(service.spec.clusterIP, 'None', 'a proxy or a client has to see each of them');
    is(budget.spec.maxUnavailable, 1);
    const [term] = workload.spec.template.spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution;
    equal(term, { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: labels } });
  });

  test(`${name}: probes and services name ports that the container has`, () => {
    const { ports, readinessProbe, livenessProbe, startupProbe } = only(set);
    const names = ports.map((port) => port.name);
    for (const probe of [readinessProbe, livenessProbe, startupProbe]) ok(names.includes(probe.httpGet.port));
    for (const { port, targetPort } of set.service.spec.ports) {
      is(ports.find((one) => one.name === targetPort)?.containerPort, port);
    }
  });
}

test('the server accepts its configuration, and a pod has time to drain', () => {
  const container = only(instances);
  const environment: Record<string, string> = {};
  for (const { name, value } of container.env) {
    // A secret that need not be there.
    if (name === 'PROXY_SECRET') environment[name] = '';
    else if (name in DEFAULTS) environment[name] = value ?? '203.0.113.7';
    else is(name, 'NATS_PASSWORD');
  }
  const config = readConfig({ ...environment, NATS_URL: environment['NATS_URL']!.replace('$(NATS_PASSWORD)', 'p1') });
  const { terminationGracePeriodSeconds: grace } = instances.workload.spec.template.spec;
  const { seconds } = container.lifecycle!.preStop.sleep;
  ok((grace - seconds) * 1000 > config.DRAIN_TIMEOUT_MS + config.SHUTDOWN_TIMEOUT_MS);
  const media = container.ports.filter(({ protocol }) => protocol === 'UDP');
  equal(
    media.map(({ containerPort }) => containerPort),
    config.MEDIA_PORTS,
  );
  for (const { containerPort, hostPort } of media) is(hostPort, containerPort, 'candidates name the port');
  const tcp = (name: string): number => container.ports.find((port) => port.name === name)!.containerPort;
  is(`:${tcp('http')}`, environment['LISTEN']);
  is(`:${tcp('metrics')}`, environment['METRICS_LISTEN']);
  is(config.ADMIN_LISTEN!.host, '127.0.0.1', 'who acts comes by port-forward');
  ok(config.ADMIN_LISTEN!.port !== config.METRICS_LISTEN!.port);
  is(container.readinessProbe.httpGet.path, '/readyz');
  is(container.livenessProbe.httpGet.path, '/healthz', 'one that drains or has lost NATS must not be killed');
});

test('an upgrade replaces one instance after the other, for none can start before its ports are free', () => {
  const { strategy, minReadySeconds } = instances.workload.spec;
  equal(strategy, { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } });
  ok(minReadySeconds! >= 5);
});

test('only the proxy, monitoring and, for media, everybody reach an instance; only instances reach NATS', () => {
  const from = ({ policy }: typeof instances): Record<string, string> =>
    Object.fromEntries(
      policy.spec.ingress.map(({ from: peers, ports: [port] }) => {
        const peer = peers?.[0]?.podSelector ?? peers?.[0]?.namespaceSelector;
        return [`${port!.protocol} ${port!.port}`, Object.values(peer?.matchLabels ?? {}).join() || 'everybody'];
      }),
    );
  equal(from(instances), { 'TCP 8080': 'traefik', 'TCP 8081': 'monitoring', 'UDP 40000': 'everybody' });
  equal(from(nats), { 'TCP 4222': 'backend-webrtc', 'TCP 6222': 'nats', 'TCP 8222': 'monitoring' });
  for (const { policy } of [instances, nats]) equal(policy.spec.policyTypes, ['Ingress']);
});

test('instances and NATS agree on user, password, port and number of copies, and the file is the shipped one', () => {
  const conf = read('nats/nats.conf');
  const user = /^\s+user: (\S+)$/m.exec(conf)![1];
  const port = /^port: (\d+)$/m.exec(conf)![1];
  is(variable(only(instances), 'NATS_URL'), `nats://${user}:$(NATS_PASSWORD)@${nats.service.metadata.name}:${port}`);
  is(Number(variable(only(instances), 'NATS_REPLICAS')), nats.workload.spec.replicas);
  const secret = (container: Container): unknown =>
    container.env.find(({ name }) => name === 'NATS_PASSWORD')?.valueFrom;
  equal(secret(only(instances)), secret(only(nats)));
  const mounts = new Map(only(nats).volumeMounts!.map(({ name, mountPath }) => [name, mountPath]));
  is(mounts.get('store'), /^\s+store_dir: (\S+)$/m.exec(conf)![1]);
  ok(only(nats).args!.includes(`--config=${mounts.get('config')}/nats.conf`));
  const routes = only(nats).args!.find((arg) => arg.startsWith('--routes='))!;
  equal(
    routes.slice('--routes='.length).split(','),
    Array.from({ length: nats.workload.spec.replicas }, (_, i) => `nats://nats-${i}.nats:6222`),
  );
});

test.run();
