/**
 * `npm run gateway -- --origin http://localhost:5173`: the demo's development gateway on its own, for one's own page. It
 * starts the server too, unless `--server` names one that runs. For development only: it believes any name.
 * `--help` prints its options.
 */
import { parseArgs } from 'node:util';
import { Fleet } from './fleet.ts';
import { openGateway, refuse } from './gateway.ts';

const PORT = '8088';
const PREFIX = '/webrtc';
const HELP = `
  npm run gateway -- [OPTIONS]

  Runs a gateway that believes any name, for a page of your own, and a server behind it.

    --origin URL     origin of a page that may use it, such as http://localhost:5173; may be repeated
    --port N         port of the gateway; 8088 by default, 0 for a free one
    --server PORT    uses a server on loopback that runs already
    --help           prints this
`;
const BANNER = `
  ┌──────────────────────────────────────────────────────────────┐
  │  backend-webrtc gateway — FOR DEVELOPMENT ONLY               │
  │  It believes any name. Use it on this machine only, not in   │
  │  production: traefik and backend-auth check who users are    │
  │  there.                                                      │
  └──────────────────────────────────────────────────────────────┘
`;
const say = (line: string): void => console.log(`  ${line}`);

interface Wanted {
  readonly origins: readonly string[];
  readonly port: number;
  /** Port of a server that runs already; null to start one. */
  readonly server: number | null;
}

try {
  await run(wanted());
} catch (error) {
  console.error(`  ${explain(error as NodeJS.ErrnoException)}`);
  process.exit(1);
}

async function run({ origins, port, server }: Wanted): Promise<void> {
  console.log(BANNER);
  const fleet = server === null ? await Fleet.of(1, say, () => undefined) : null;
  const gateway = await openGateway({
    port,
    origins,
    upstream: () => (fleet === null ? server : fleet.nextPort()),
    prefix: PREFIX,
    local: (req, res) => {
      if (req.url !== '/') return false;
      refuse(res, 200, `The API is at ${PREFIX}/connect, ${PREFIX}/join/:conversationid and ${PREFIX}/ice.`);
      return true;
    },
  });
  // After the gateway, so that no server runs if the port is in use.
  await fleet?.start();
  const api = `localhost:${gateway.port}${PREFIX}`;
  console.log(`
  The API:     ws://${api}/connect?token=ann
               http://${api}/join/room, with Authorization: Bearer ann
  The client:  new VoiceClient({ url: 'http://${api}', token: 'ann' })
  Any token is a name, and <name>.<client> one of several clients of it.
  Pages:       ${origins.length === 0 ? 'only behind a proxy that passes Host on; --origin allows others' : origins.join(', ')}

  Ctrl-C ends it.
`);
  const end = async (): Promise<void> => {
    await Promise.all([fleet?.stop(), gateway.close()]);
    process.exit(0);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => void end());
}

/** Reads the command line. @throws Error that says which values an option may have. */
function wanted(): Wanted {
  const { values } = parseArgs({
    options: {
      origin: { type: 'string', multiple: true, default: [] },
      port: { type: 'string', default: PORT },
      server: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    process.exit(0);
  }
  return {
    origins: values.origin.map(originOf),
    port: portOf('--port', values.port),
    server: values.server === undefined ? null : portOf('--server', values.server),
  };
}

function portOf(option: string, text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port <= 65_535) return port;
  throw new Error(`${option} is ${JSON.stringify(text)}: set it to a port up to 65535`);
}

function originOf(text: string): string {
  if (URL.canParse(text)) {
    const { origin, protocol } = new URL(text);
    if (protocol === 'http:' || protocol === 'https:') return origin;
  }
  throw new Error(
    `--origin is ${JSON.stringify(text)}: set it to the page's scheme, host and port, as http://localhost:5173`,
  );
}

function explain(error: NodeJS.ErrnoException): string {
  if (error.code === 'EADDRINUSE') return `The port is in use: ${error.message}. Set another one with --port.`;
  return error.message;
}
