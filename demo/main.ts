/**
 * `npm run demo`: runs the server, a development gateway in front of it, a page to talk on, and bots. It is for
 * development only, because the gateway takes everyone's word for who they are. `--help` prints its options.
 */
import { BotCrew } from './bots/crew.ts';
import { bundlePage } from './build.ts';
import { Fleet } from './fleet.ts';
import { type Gateway, type GatewayOptions, openGateway } from './gateway.ts';
import { openToLan } from './lan.ts';
import { HELP, readOptions } from './options.ts';
import { Site } from './site.ts';

const PREFIX = '/webrtc';
const BANNER = `
  ┌──────────────────────────────────────────────────────────────┐
  │  backend-webrtc demo — FOR DEVELOPMENT ONLY                  │
  │  Its gateway believes any name. Use it on this machine only, │
  │  not in production: traefik and backend-auth check who users │
  │  are there.                                                  │
  └──────────────────────────────────────────────────────────────┘
`;

const say = (line: string): void => console.log(`  ${line}`);
const crew = new BotCrew(say);

try {
  await run();
} catch (error) {
  console.error(`  ${(error as Error).message}`);
  process.exit(1);
}

async function run(): Promise<void> {
  const { help, instances, port, lan: wanted } = readOptions(process.argv.slice(2), process.env);
  if (help) {
    console.log(HELP);
    process.exit(0);
  }
  const lan = wanted === null ? null : await openToLan(wanted, port, instances);
  console.log(lan === null ? BANNER : lan.banner);
  const fleet = await Fleet.of(instances, say, (running) => crew.serve(running), lan?.media);
  await fleet.start();
  const site = new Site(await bundlePage(), crew, fleet);
  const gateway = await openDemoGateway(port, {
    upstream: () => fleet.nextPort(),
    prefix: PREFIX,
    local: site.answer.bind(site),
    ...lan?.gateway,
  });
  if (lan === null) {
    console.log(`\n  Open  ${gateway.url}  in a browser. Ctrl-C ends the demo.`);
    console.log('  For phones and colleagues in your network:  npm run demo -- --lan\n');
  } else {
    site.origin = gateway.url;
    console.log(lan.invitation(gateway));
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => void end(fleet, gateway));
}

/** Opens the gateway on this port, or on a free one if the port is in use. */
async function openDemoGateway(port: number, options: GatewayOptions): Promise<Gateway> {
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
