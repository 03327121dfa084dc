/**
 * `npm run demo`: runs the server, a development gateway in front of it, a page to talk on, and bots. It is for
 * development only, because the gateway takes everyone's word for who they are. `DEMO_PORT` sets the gateway's port; 0
 * chooses a free one. `npm run demo -- --instances 2` runs a cluster.
 */
import { parseArgs } from 'node:util';
import { BotCrew } from './bots/crew.ts';
import { bundlePage } from './build.ts';
import { Fleet, MAX_INSTANCES } from './fleet.ts';
import { type Gateway, openGateway } from './gateway.ts';
import { Site } from './site.ts';

const PORT = 8088;
const PREFIX = '/webrtc';

const say = (line: string): void => console.log(`  ${line}`);
const crew = new BotCrew(say);

console.log(`
  ┌──────────────────────────────────────────────────────────────┐
  │  backend-webrtc demo — FOR DEVELOPMENT ONLY                  │
  │  Its gateway believes any name. Use it on this machine only, │
  │  not in production: traefik and backend-auth check who users │
  │  are there.                                                  │
  └──────────────────────────────────────────────────────────────┘
`);
try {
  const fleet = await Fleet.of(wantedInstances(), say, (running) => crew.serve(running));
  await fleet.start();
  const gateway = await openDemoGateway(fleet, wantedPort());
  console.log(`\n  Open  ${gateway.url}  in a browser. Ctrl-C ends the demo.\n`);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => void end(fleet, gateway));
} catch (error) {
  console.error(`  ${(error as Error).message}`);
  process.exit(1);
}

/** Reads the number of instances from the command line. @throws Error that says which values it may have. */
function wantedInstances(): number {
  const { values } = parseArgs({ options: { instances: { type: 'string', default: '1' } } });
  const count = Number(values.instances);
  if (Number.isInteger(count) && count >= 1 && count <= MAX_INSTANCES) return count;
  throw new Error(`--instances is ${values.instances}: set it to a number from 1 to ${MAX_INSTANCES}`);
}

/** Reads the port from the environment. @throws Error that says which values DEMO_PORT may have. */
function wantedPort(): number {
  const text = process.env['DEMO_PORT'] ?? String(PORT);
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port <= 65_535) return port;
  throw new Error(`DEMO_PORT is ${JSON.stringify(text)}: set it to a port up to 65535, or to 0 for a free one`);
}

/** Opens the gateway on this port, or on a free one if the port is in use. */
async function openDemoGateway(fleet: Fleet, port: number): Promise<Gateway> {
  const site = new Site(await bundlePage(), crew, fleet);
  const options = {
    upstream: () => fleet.nextPort(),
    prefix: PREFIX,
    local: site.answer.bind(site),
  };
  try {
    return await openGateway({ ...options, port });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    say(`port ${port} is in use, so the demo takes a free one; DEMO_PORT sets another`);
    return openGateway(options);
  }
}

async function end(fleet: Fleet, gateway: Gateway): Promise<void> {
  // Ctrl-C has also reached the server. `stop` keeps its end from being reported as a failure.
  await Promise.all([fleet.stop(), crew.close(), gateway.close()]);
  process.exit(0);
}
