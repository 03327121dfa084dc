/**
 * `npm run demo`: the server, a gateway for development in front of it, a page to talk on, and bots. For development
 * only: whoever reaches the gateway is whom they say they are. `DEMO_PORT` chooses its port, 0 a free one.
 */
import { BotCrew } from './bots/crew.ts';
import { bundlePage } from './build.ts';
import { type Gateway, openGateway } from './gateway.ts';
import { KeptServer } from './server.ts';
import { Site } from './site.ts';

const PORT = 8088;
const PREFIX = '/webrtc';

const say = (line: string): void => console.log(`  ${line}`);
const crew = new BotCrew(say);
const server = new KeptServer(say, (running) => crew.serve(running));
const site = new Site(await bundlePage(), crew, () => server.adminUrl);

console.log(`
  ┌──────────────────────────────────────────────────────────────┐
  │  backend-webrtc demo — FOR DEVELOPMENT ONLY                  │
  │  Its gateway believes any name: on this machine, never in    │
  │  production. There, traefik and backend-auth say who it is.  │
  └──────────────────────────────────────────────────────────────┘
`);
try {
  await server.start();
  const gateway = await openDemoGateway(wantedPort());
  console.log(`\n  Open  ${gateway.url}  in a browser. Ctrl-C ends the demo.\n`);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => void end(gateway));
} catch (error) {
  console.error(`  ${(error as Error).message}`);
  process.exit(1);
}

/** @throws Error that says what DEMO_PORT may be. */
function wantedPort(): number {
  const text = process.env['DEMO_PORT'] ?? String(PORT);
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port <= 65_535) return port;
  throw new Error(`DEMO_PORT is ${JSON.stringify(text)}: choose a port from 0, for a free one, to 65535`);
}

/** Takes any port if the one wanted is in use. */
async function openDemoGateway(port: number): Promise<Gateway> {
  const options = {
    upstream: () => server.port,
    prefix: PREFIX,
    local: site.answer.bind(site),
  };
  try {
    return await openGateway({ ...options, port });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    say(`port ${port} is in use; DEMO_PORT chooses another. This time a free one is taken.`);
    return openGateway(options);
  }
}

async function end(gateway: Gateway): Promise<void> {
  // Ctrl-C has reached the server as well: that it ends is no news.
  await Promise.all([server.stop(), crew.close(), gateway.close()]);
  process.exit(0);
}
