/** What the command line and the environment ask of the demo. */
import { parseArgs } from 'node:util';

/** Most instances. Each takes a process with two threads or more. */
const MAX_INSTANCES = 8;
/** Ports by default; a browser takes 8443 for HTTPS. */
const PORTS = { loopback: 8088, lan: 8443 };

export const HELP = `
  npm run demo -- [OPTIONS]

  Runs the server, a development gateway that believes any name, a page to talk on, and bots.

    --lan [ADDRESS]    lets others in the network in, over HTTPS, at this address of the machine or the likeliest one
    --cert FILE        certificate (PEM) for that address instead of one made at start, as iPhones need it
    --key FILE         its private key (PEM)
    --qr               prints the QR code of the URL even if the output is no terminal
    --instances N      runs a cluster of N servers, 1 to ${MAX_INSTANCES}; needs nats-server
    --help             prints this

  DEMO_PORT sets the port: ${PORTS.loopback} by default, ${PORTS.lan} with --lan, 0 for a free one. demo/README.md has more.
`;

export interface DemoOptions {
  readonly help: boolean;
  readonly instances: number;
  readonly port: number;
  /** Whether others in the network may use the demo, and how; null for this machine alone. */
  readonly lan: LanOptions | null;
}

export interface LanOptions {
  /** The address to listen on; null to choose one. */
  readonly address: string | null;
  /** Files of a certificate and its key; null to make one. */
  readonly files: { readonly cert: string; readonly key: string } | null;
  /** Whether to print the QR code even if the output is no terminal. */
  readonly qr: boolean;
}

/** Reads them. @throws Error that says which values an option may have. */
export function readOptions(args: readonly string[], env: Readonly<NodeJS.ProcessEnv>): DemoOptions {
  const { values, positionals } = parseArgs({
    // An option with a value that may be missing is none that parseArgs knows: the value is an argument of its own.
    args: args.flatMap((arg) => (arg.startsWith('--lan=') ? ['--lan', arg.slice(6)] : [arg])),
    options: {
      lan: { type: 'boolean', default: false },
      cert: { type: 'string' },
      key: { type: 'string' },
      qr: { type: 'boolean', default: false },
      instances: { type: 'string', default: '1' },
      help: { type: 'boolean', short: 'h', default: false },
    },
    allowPositionals: true,
  });
  const { lan, cert, key, qr, help } = values;
  const [address = null, extra] = positionals;
  const unknown = lan ? extra : (address ?? undefined);
  if (unknown !== undefined) throw new Error(`${JSON.stringify(unknown)} is no option: --help lists them`);
  if (!lan && (cert ?? key) !== undefined) throw new Error('--cert and --key need --lan: loopback has no HTTPS');
  if ((cert === undefined) !== (key === undefined)) throw new Error('--cert and --key need each other');
  const files = cert === undefined || key === undefined ? null : { cert, key };
  return {
    help,
    instances: instancesOf(values.instances),
    port: portOf(env['DEMO_PORT'] ?? String(lan ? PORTS.lan : PORTS.loopback)),
    lan: lan ? { address, files, qr } : null,
  };
}

function instancesOf(text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= MAX_INSTANCES) return count;
  throw new Error(`--instances is ${text}: set it to a number from 1 to ${MAX_INSTANCES}`);
}

function portOf(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port <= 65_535) return port;
  throw new Error(`DEMO_PORT is ${JSON.stringify(text)}: set it to a port up to 65535, or to 0 for a free one`);
}
