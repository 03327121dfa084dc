/** The clients of a soak, and their processes. */
import { ClientHost, type TestClient } from '../support/client.ts';
import { below, type Random } from '../support/prng.ts';
import type { RunningServer } from '../support/server.ts';
import type { Report } from './report.ts';

const HOSTS = 3;
const USERS = 20;
const CLIENTS_OF_A_USER = 3;

export interface Claim {
  readonly userid: string;
  readonly clientid: string;
}

export interface SoakClient {
  readonly claim: Claim;
  readonly client: TestClient;
  readonly host: ClientHost;
  readonly data: boolean;
}

export class SoakState {
  readonly servers: readonly RunningServer[];
  readonly report: Report;
  readonly random: Random;
  /** Whether clients may vanish without a goodbye. */
  readonly vanish: boolean;
  clients: SoakClient[] = [];
  private readonly hosts = Array.from({ length: HOSTS }, () => new ClientHost());

  constructor(servers: readonly RunningServer[], report: Report, random: Random, vanish: boolean) {
    this.servers = servers;
    this.report = report;
    this.random = random;
    this.vanish = vanish;
  }

  /** One of the servers, chosen anew each time, as by a proxy. */
  get server(): RunningServer {
    return this.pick(this.servers)!;
  }

  below(limit: number): number {
    return below(this.random, limit);
  }

  pick<T>(all: readonly T[]): T | undefined {
    return all[this.below(Math.max(1, all.length))];
  }

  claim(): Claim {
    return { userid: `user${this.below(USERS)}`, clientid: `client${this.below(CLIENTS_OF_A_USER)}` };
  }

  room(): string {
    return `room${this.below(5)}`;
  }

  host(): ClientHost {
    return this.pick(this.hosts)!;
  }

  remove(client: SoakClient): void {
    this.clients = this.clients.filter((one) => one !== client);
  }

  /** Kills one client process, and starts an empty one in its place. */
  killOne(): void {
    const at = this.below(HOSTS);
    const host = this.hosts[at]!;
    this.clients = this.clients.filter((one) => one.host !== host);
    host.kill();
    this.hosts[at] = new ClientHost();
  }

  /** Lets all clients hang up. */
  async empty(): Promise<void> {
    const leaving = this.clients;
    this.clients = [];
    for (const { client, host } of leaving) if (host.alive) await client.end();
  }

  kill(): void {
    for (const host of this.hosts) host.kill();
  }
}
