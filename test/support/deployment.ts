/** Schemas of the files in `deploy/`. They are strict, so that a misspelled option is an error and not ignored. */
import * as v from 'valibot';

const texts = v.array(v.string());
const seconds = v.pipe(v.string(), v.regex(/^\d+s$/));
const dictionary = <T extends v.GenericSchema>(values: T) => v.record(v.string(), values);

/** The part of traefik's static configuration that is used. */
export const TraefikFixed = v.strictObject({
  entryPoints: dictionary(
    v.strictObject({
      address: v.string(),
      transport: v.optional(v.strictObject({ respondingTimeouts: v.strictObject({ readTimeout: seconds }) })),
      http: v.strictObject({
        aliasHeadersStrategy: v.picklist(['keep', 'delete', 'reject']),
        maxHeaderBytes: v.optional(v.number()),
      }),
      forwardedHeaders: v.optional(v.strictObject({ trustedIPs: texts })),
      observability: v.optional(v.strictObject({ accessLogs: v.boolean() })),
    }),
  ),
  providers: v.strictObject({ file: v.strictObject({ filename: v.string(), watch: v.boolean() }) }),
  log: v.strictObject({ level: v.picklist(['DEBUG', 'INFO', 'WARN', 'ERROR']) }),
  accessLog: v.strictObject({
    format: v.literal('json'),
    fields: v.strictObject({
      queryParameters: v.strictObject({ defaultMode: v.picklist(['keep', 'drop']) }),
      headers: v.strictObject({ defaultMode: v.picklist(['keep', 'drop', 'redact']) }),
    }),
  }),
  global: v.strictObject({ checkNewVersion: v.boolean(), sendAnonymousUsage: v.boolean() }),
});

/** Whose requests are counted together. */
const sourceCriterion = v.strictObject({ ipStrategy: v.strictObject({ ipv6Subnet: v.number() }) });
const statuses = v.array(v.pipe(v.string(), v.regex(/^\d{3}(-\d{3})?$/)));

const Middleware = v.union([
  v.strictObject({
    headers: v.strictObject({
      accessControlAllowOriginList: v.optional(texts),
      accessControlAllowMethods: v.optional(texts),
      accessControlAllowHeaders: v.optional(texts),
      accessControlExposeHeaders: v.optional(texts),
      accessControlMaxAge: v.optional(v.number()),
      customRequestHeaders: v.optional(dictionary(v.string())),
    }),
  }),
  v.strictObject({
    forwardAuth: v.strictObject({
      address: v.string(),
      authResponseHeaders: texts,
      trustForwardHeader: v.boolean(),
      authRequestHeaders: texts,
      maxResponseBodySize: v.number(),
    }),
  }),
  v.strictObject({ rateLimit: v.strictObject({ average: v.number(), burst: v.number(), sourceCriterion }) }),
  v.strictObject({ inFlightReq: v.strictObject({ amount: v.number(), sourceCriterion }) }),
  v.strictObject({ buffering: v.strictObject({ maxRequestBodyBytes: v.number() }) }),
  v.strictObject({
    retry: v.strictObject({ attempts: v.number(), status: statuses, retryNonIdempotentMethod: v.boolean() }),
  }),
  v.strictObject({ stripPrefix: v.strictObject({ prefixes: texts }) }),
]);

const Service = v.union([
  v.strictObject({
    loadBalancer: v.strictObject({
      servers: v.array(v.strictObject({ url: v.pipe(v.string(), v.url()) })),
      serversTransport: v.string(),
      healthCheck: v.optional(
        v.strictObject({
          path: v.string(),
          status: v.number(),
          headers: dictionary(v.string()),
          interval: seconds,
          timeout: seconds,
        }),
      ),
    }),
  }),
  v.strictObject({ weighted: v.strictObject({ services: v.array(v.strictObject({ name: v.string() })) }) }),
  v.strictObject({
    failover: v.strictObject({
      service: v.string(),
      fallback: v.string(),
      errors: v.strictObject({ status: statuses }),
    }),
  }),
]);

/** The part of traefik's dynamic configuration that is used. */
export const TraefikRoutes = v.strictObject({
  http: v.strictObject({
    routers: dictionary(
      v.strictObject({
        entryPoints: texts,
        rule: v.string(),
        priority: v.number(),
        middlewares: texts,
        service: v.string(),
      }),
    ),
    middlewares: dictionary(Middleware),
    services: dictionary(Service),
    serversTransports: dictionary(
      v.strictObject({
        forwardingTimeouts: v.strictObject({ dialTimeout: seconds, responseHeaderTimeout: v.optional(seconds) }),
      }),
    ),
  }),
});

/** A compose file; both spellings of a service's networks give the same result. */
export const Compose = v.looseObject({
  services: dictionary(
    v.looseObject({
      image: v.string(),
      environment: v.optional(dictionary(v.string()), {}),
      ports: v.optional(texts, []),
      volumes: v.optional(texts, []),
      networks: v.optional(
        v.pipe(
          v.union([texts, dictionary(v.looseObject({ ipv4_address: v.optional(v.string()) }))]),
          v.transform(
            (given): Record<string, { ipv4_address?: string | undefined }> =>
              Array.isArray(given) ? Object.fromEntries(given.map((name) => [name, {}])) : given,
          ),
        ),
        {},
      ),
      network_mode: v.optional(v.literal('host')),
      stop_grace_period: v.optional(v.string()),
      read_only: v.optional(v.boolean()),
      cap_drop: v.optional(texts),
      cap_add: v.optional(texts, []),
      security_opt: v.optional(texts),
      mem_limit: v.optional(v.string()),
      pids_limit: v.optional(v.number()),
      profiles: v.optional(texts, []),
      user: v.optional(v.string()),
      entrypoint: v.optional(texts, []),
      command: v.optional(texts, []),
    }),
  ),
  networks: dictionary(
    v.looseObject({
      internal: v.optional(v.boolean()),
      ipam: v.optional(
        v.strictObject({
          config: v.array(v.strictObject({ subnet: v.string(), gateway: v.string(), ip_range: v.string() })),
        }),
      ),
    }),
  ),
  volumes: dictionary(v.nullable(v.looseObject({}))),
});

export interface Matcher {
  readonly matcher: string;
  readonly value: string;
}

/** Reads a router's rule: matchers with one value each, joined by `&&`. @throws Error for everything else. */
export function readRule(rule: string): Matcher[] {
  return rule.split(' && ').map((part) => {
    const [, matcher, value] = /^(Host|Path|PathPrefix|Method)\(`([^`]+)`\)$/.exec(part) ?? [];
    if (matcher === undefined || value === undefined) throw new Error(`not a rule: ${rule}`);
    return { matcher, value };
  });
}

/** Returns whether an IPv4 address is in a block such as `10.0.0.0/28`. */
export function inside(address: string, block: string): boolean {
  const number = (text: string): number => text.split('.').reduce((all, byte) => all * 256 + Number(byte), 0);
  const [base = '', bits = ''] = block.split('/');
  const size = 2 ** (32 - Number(bits));
  return Math.floor(number(address) / size) === Math.floor(number(base) / size);
}
