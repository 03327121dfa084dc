/** Schemas of the manifests in `deploy/kubernetes/`. They are strict, so that a misspelled field is an error. */
import * as v from 'valibot';

const labels = v.record(v.string(), v.string());
const selector = v.strictObject({ matchLabels: labels });
const metadata = v.strictObject({ name: v.string(), labels: v.optional(labels) });
const reference = v.strictObject({ name: v.string(), key: v.string(), optional: v.optional(v.literal(true)) });

const probe = v.strictObject({
  httpGet: v.strictObject({ path: v.string(), port: v.string() }),
  periodSeconds: v.number(),
  timeoutSeconds: v.optional(v.number()),
  failureThreshold: v.optional(v.number()),
});

const container = v.strictObject({
  name: v.string(),
  image: v.string(),
  command: v.optional(v.array(v.string())),
  args: v.optional(v.array(v.string())),
  env: v.array(
    v.strictObject({
      name: v.string(),
      value: v.optional(v.string()),
      valueFrom: v.optional(
        v.union([
          v.strictObject({ fieldRef: v.strictObject({ fieldPath: v.string() }) }),
          v.strictObject({ secretKeyRef: reference }),
        ]),
      ),
    }),
  ),
  ports: v.array(
    v.strictObject({
      name: v.optional(v.string()),
      containerPort: v.number(),
      hostPort: v.optional(v.number()),
      protocol: v.picklist(['TCP', 'UDP']),
    }),
  ),
  readinessProbe: probe,
  livenessProbe: probe,
  startupProbe: probe,
  lifecycle: v.optional(
    v.strictObject({ preStop: v.strictObject({ sleep: v.strictObject({ seconds: v.number() }) }) }),
  ),
  securityContext: v.strictObject({
    allowPrivilegeEscalation: v.boolean(),
    readOnlyRootFilesystem: v.boolean(),
    capabilities: v.strictObject({ drop: v.array(v.string()) }),
  }),
  resources: v.strictObject({
    requests: v.strictObject({ cpu: v.string(), memory: v.string() }),
    limits: v.strictObject({ memory: v.string() }),
  }),
  volumeMounts: v.optional(
    v.array(v.strictObject({ name: v.string(), mountPath: v.string(), readOnly: v.optional(v.boolean()) })),
  ),
});
export type Container = v.InferOutput<typeof container>;

const pod = v.strictObject({
  terminationGracePeriodSeconds: v.number(),
  automountServiceAccountToken: v.boolean(),
  enableServiceLinks: v.boolean(),
  securityContext: v.strictObject({
    runAsNonRoot: v.boolean(),
    runAsUser: v.number(),
    runAsGroup: v.number(),
    fsGroup: v.optional(v.number()),
    seccompProfile: v.strictObject({ type: v.string() }),
  }),
  affinity: v.strictObject({
    podAntiAffinity: v.strictObject({
      requiredDuringSchedulingIgnoredDuringExecution: v.array(
        v.strictObject({ topologyKey: v.string(), labelSelector: selector }),
      ),
    }),
  }),
  topologySpreadConstraints: v.optional(
    v.array(
      v.strictObject({
        topologyKey: v.string(),
        maxSkew: v.number(),
        whenUnsatisfiable: v.picklist(['DoNotSchedule', 'ScheduleAnyway']),
        labelSelector: selector,
      }),
    ),
  ),
  containers: v.pipe(v.array(container), v.length(1)),
  volumes: v.optional(v.array(v.strictObject({ name: v.string(), configMap: v.strictObject({ name: v.string() }) }))),
});

/** A Deployment or a StatefulSet. */
export const Workload = v.strictObject({
  apiVersion: v.literal('apps/v1'),
  kind: v.picklist(['Deployment', 'StatefulSet']),
  metadata,
  spec: v.strictObject({
    replicas: v.number(),
    serviceName: v.optional(v.string()),
    podManagementPolicy: v.optional(v.picklist(['OrderedReady', 'Parallel'])),
    strategy: v.optional(
      v.strictObject({
        type: v.picklist(['RollingUpdate', 'Recreate']),
        rollingUpdate: v.optional(v.strictObject({ maxSurge: v.number(), maxUnavailable: v.number() })),
      }),
    ),
    minReadySeconds: v.optional(v.number()),
    selector,
    template: v.strictObject({ metadata: v.strictObject({ labels }), spec: pod }),
    volumeClaimTemplates: v.optional(
      v.array(
        v.strictObject({
          metadata,
          spec: v.strictObject({
            accessModes: v.array(v.string()),
            resources: v.strictObject({ requests: v.strictObject({ storage: v.string() }) }),
          }),
        }),
      ),
    ),
  }),
});

export const Service = v.strictObject({
  apiVersion: v.literal('v1'),
  kind: v.literal('Service'),
  metadata,
  spec: v.strictObject({
    clusterIP: v.string(),
    publishNotReadyAddresses: v.optional(v.boolean()),
    selector: labels,
    ports: v.array(
      v.strictObject({ name: v.string(), port: v.number(), targetPort: v.string(), protocol: v.literal('TCP') }),
    ),
  }),
});

export const Budget = v.strictObject({
  apiVersion: v.literal('policy/v1'),
  kind: v.literal('PodDisruptionBudget'),
  metadata,
  spec: v.strictObject({ maxUnavailable: v.number(), selector }),
});

export const Policy = v.strictObject({
  apiVersion: v.literal('networking.k8s.io/v1'),
  kind: v.literal('NetworkPolicy'),
  metadata,
  spec: v.strictObject({
    podSelector: selector,
    policyTypes: v.array(v.string()),
    ingress: v.array(
      v.strictObject({
        from: v.optional(
          v.array(v.strictObject({ podSelector: v.optional(selector), namespaceSelector: v.optional(selector) })),
        ),
        ports: v.array(
          v.strictObject({ port: v.number(), endPort: v.optional(v.number()), protocol: v.picklist(['TCP', 'UDP']) }),
        ),
      }),
    ),
  }),
});
