/** A real reverse proxy, nginx, that sends each request to the next instance: no stickiness of any kind. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Child, listens, startChild } from './child.ts';
import { fixedPort } from './fixed-ports.ts';
import { proxyProgram, temporaryFolder } from './proxies.ts';

export interface RoundRobin {
  readonly port: number;
  /** `http://127.0.0.1:port` */
  readonly url: string;
  /** Returns the access log: method, path, status, and the addresses that were asked, with their statuses. */
  log(): string;
  stop(): Promise<void>;
}

/**
 * Starts a proxy in front of instances on this machine. It passes claims on as they come, and asks the next instance
 * where one does not answer or answers 503, as the files in `deploy/` have it.
 *
 * Questions for TURN servers have turns of their own: a client asks, connects and joins, so that with three instances and
 * one client after another all would be connected to the same one.
 */
export async function startRoundRobin(instances: readonly number[]): Promise<RoundRobin> {
  const port = await fixedPort();
  const folder = temporaryFolder('round-robin');
  const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => {
    mkdirSync(join(folder, name));
    return `${name}_temp_path ${join(folder, name)};`;
  });
  const servers = instances.map((instance) => `server 127.0.0.1:${instance} max_fails=0;`);
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off; master_process off; pid ${folder}/pid; error_log stderr warn;
events {}
http {
  ${places.join(' ')}
  log_format short '$request_method $uri $status to=$upstream_addr $upstream_status';
  access_log ${folder}/access.log short;
  map $http_upgrade $connection_header { default upgrade; "" ""; }
  upstream instances { ${servers.join(' ')} }
  upstream asked { ${servers.join(' ')} }
  proxy_http_version 1.1;
  proxy_set_header Upgrade $http_upgrade;
  proxy_set_header Connection $connection_header;
  proxy_next_upstream error timeout http_503 non_idempotent;
  proxy_connect_timeout 1s;
  proxy_read_timeout 60s;
  server {
    listen 127.0.0.1:${port};
    location / { proxy_pass http://instances; }
    location = /ice { proxy_pass http://asked; }
  }
}
`,
  );
  const program = proxyProgram('nginx');
  if (program === undefined) throw new Error('nginx is not installed');
  const child: Child = startChild(program, ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr']);
  await listens(port, child);
  const log = (): string => readFileSync(join(folder, 'access.log'), 'utf8');
  const stop = async (): Promise<void> => void (await child.stop('SIGKILL'));
  return { port, url: `http://127.0.0.1:${port}`, log, stop };
}
