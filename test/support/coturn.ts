/** A real coturn, started by the files in `deploy/` on ports of the test's own. */
import { fileURLToPath } from 'node:url';
import { type Child, findProgram, startChild } from './child.ts';
import { fixedPort, fixedPorts } from './fixed-ports.ts';
import { temporaryFolder } from './proxies.ts';
import type { Scenarios } from './scenario.ts';

const START = fileURLToPath(new URL('../../../deploy/coturn/start.sh', import.meta.url));
/** Relays that may be there at a time. */
const RELAYS = 40;

/** The secret that coturn shares with the service unless a test says otherwise. */
export const TURN_SECRET = 'shared-secret-of-tests';

/**
 * Adds a scenario that needs coturn. Where it is not installed, the scenario is skipped, or fails if `REQUIRE_TOOLS` is
 * set.
 */
export function withCoturn(test: Scenarios, name: string, body: () => Promise<void>, seconds?: number): void {
  if (hasTools('turnserver')) test(name, body, seconds);
  else withoutTools(test, name, 'turnserver');
}

/** Whether all of these programs are installed. */
export function hasTools(...programs: readonly string[]): boolean {
  return programs.every((program) => findProgram(program) !== undefined);
}

/** Reports a scenario as skipped for want of programs, or as failed if `REQUIRE_TOOLS` is set. */
export function withoutTools(test: Scenarios, name: string, ...programs: readonly string[]): void {
  const missing = `${programs.filter((program) => !hasTools(program)).join(', ')} not installed`;
  if (process.env['REQUIRE_TOOLS'] !== '1') return test.skip(name, missing);
  test(name, () => {
    throw new Error(`${missing}, and REQUIRE_TOOLS is set`);
  });
}

export interface CoturnOptions {
  /** Address to listen on and to relay from; loopback by default. */
  readonly address?: string;
  /** Addresses that a relay may lead to, separated by commas; loopback by default. */
  readonly peers?: string;
  readonly secret?: string;
  /** Paths of a certificate and its key, for TLS. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** The port for UDP and TCP; one of this process by default. */
  readonly port?: number;
  /** More options of turnserver. */
  readonly more?: readonly string[];
  /** The program before the shell's, with its arguments, such as `nsenter`. */
  readonly by?: readonly string[];
}

export class Coturn {
  readonly address: string;
  /** For UDP and TCP. */
  readonly port: number;
  /** For TLS. */
  readonly tlsPort: number;
  private readonly child: Child;

  /** Starts it. @throws Error if it does not start. */
  static async start(options: CoturnOptions = {}): Promise<Coturn> {
    const { address = '127.0.0.1', peers = '127.0.0.1', secret = TURN_SECRET, tls, more = [], by = [] } = options;
    const port = options.port ?? (await fixedPort());
    const tlsPort = await fixedPort();
    const from = await fixedPorts(RELAYS);
    const args = [
      `--listening-ip=${address}`,
      `--relay-ip=${address}`,
      `--listening-port=${port}`,
      `--tls-listening-port=${tlsPort}`,
      `--min-port=${from}`,
      `--max-port=${from + RELAYS - 1}`,
      '--allow-loopback-peers',
      '--verbose',
      ...more,
    ];
    const env = {
      // Not those of the machine's own coturn.
      PATH: process.env['PATH'],
      TMPDIR: temporaryFolder('coturn'),
      TURN_SECRET: secret,
      TURN_REALM: 'turn.example.org',
      ANNOUNCED_ADDRESS: peers,
      ...(tls === undefined ? {} : { TURN_CERT: tls.cert, TURN_KEY: tls.key }),
    };
    const [program, ...rest] = [...by, 'sh', START, ...args];
    const child = startChild(program!, rest, { env });
    // It says so once it listens everywhere.
    await child.said('Total General servers');
    return new Coturn(child, address, port, tlsPort);
  }

  private constructor(child: Child, address: string, port: number, tlsPort: number) {
    this.child = child;
    this.address = address;
    this.port = port;
    this.tlsPort = tlsPort;
  }

  /** What it has logged. */
  get lines(): readonly string[] {
    return this.child.lines;
  }

  /** A URL for `TURN_URLS`; with TLS only where the address is loopback. */
  url(transport: 'udp' | 'tcp' | 'tls'): string {
    // Firefox speaks TLS to names only.
    if (transport === 'tls') return `turns:localhost:${this.tlsPort}?transport=tcp`;
    return `turn:${this.address}:${this.port}?transport=${transport}`;
  }

  /** Variables with which the service names it. */
  variables(...transports: readonly ('udp' | 'tcp' | 'tls')[]): { TURN_URLS: string; TURN_SECRET: string } {
    return { TURN_URLS: transports.map((transport) => this.url(transport)).join(','), TURN_SECRET };
  }

  async stop(): Promise<void> {
    await this.child.stop('SIGKILL');
  }
}
