/**
 * `npm run example -- vanilla` or `-- react`: serves an example beside the client, with a server, the development gateway
 * and bots to hear. For development only: the gateway believes any name.
 *
 *     --port=8090     port of the page; 0 chooses a free one
 */
import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { bundleClient, bundleEncryption } from '../client/build.ts';
import { BotCrew } from './bots/crew.ts';
import { Fleet } from './fleet.ts';
import { openGateway, refuse, urlOf } from './gateway.ts';

const EXAMPLES = ['vanilla', 'react'];
const ROOM = 'kitchen';
const BOTS = 2;
/** The repository, relative to the compiled file in `dist/demo`. */
const REPOSITORY = new URL('../../', import.meta.url);

const say = (line: string): void => console.log(`  ${line}`);

try {
  await run();
} catch (error) {
  console.error(`  ${(error as Error).message}`);
  process.exit(1);
}

async function run(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: {
      port: { type: 'string', default: '8090' },
      help: { type: 'boolean', short: 'h', default: false },
    },
    allowPositionals: true,
  });
  if (values.help) {
    console.log(`  npm run example -- ${EXAMPLES.join(' | ')} [--port N]    (8090 by default, 0 for a free one)`);
    return;
  }
  const name = positionals[0] ?? '';
  const port = Number(values.port);
  if (!EXAMPLES.includes(name)) throw new Error(`Name an example: ${EXAMPLES.join(' or ')}.`);
  if (!(Number.isInteger(port) && port >= 0 && port <= 65_535)) {
    throw new Error(`--port is ${JSON.stringify(values.port)}: set it to a port up to 65535`);
  }
  const files = await filesOf(name);
  const crew = new BotCrew(say);
  const fleet = await Fleet.of(1, say, (running) => crew.serve(running));
  await fleet.start();
  const gateway = await openGateway({
    port,
    upstream: () => fleet.nextPort(),
    prefix: '/webrtc',
    local: (req, res) => answer(files, req, res),
  });
  // They talk when somebody comes. Rooms without people lose their bots after a while.
  const watch = setInterval(() => crew.place(ROOM, BOTS), 5000);
  crew.place(ROOM, BOTS);
  console.log(`\n  Open  ${gateway.url}  in a browser. Ctrl-C ends the example.\n`);
  const end = async (): Promise<void> => {
    clearInterval(watch);
    await Promise.all([fleet.stop(), crew.close(), gateway.close()]);
    process.exit(0);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => void end());
}

interface File {
  readonly type: string;
  readonly body: Uint8Array;
}

/** What is served, by path. */
async function filesOf(name: string): Promise<ReadonlyMap<string, File>> {
  const folder = new URL(`examples/${name}/`, REPOSITORY);
  const script = (body: Uint8Array): File => ({ type: 'text/javascript', body });
  const files = new Map([
    ['/', { type: 'text/html', body: await readFile(new URL('index.html', folder)) }],
    ['/client.js', script(await bundleClient())],
    ['/encryption.js', script((await bundleEncryption()).module)],
  ]);
  if (name === 'react') files.set('/app.js', script(await bundleApp(new URL('app.tsx', folder))));
  return files;
}

async function bundleApp(entry: URL): Promise<Uint8Array> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(entry)],
    bundle: true,
    format: 'esm',
    target: 'es2022',
    jsx: 'automatic',
    define: { 'process.env.NODE_ENV': '"development"' },
    write: false,
  });
  return outputFiles[0]!.contents;
}

function answer(files: ReadonlyMap<string, File>, req: IncomingMessage, res: ServerResponse): boolean {
  const { pathname } = urlOf(req);
  if (pathname.startsWith('/webrtc/')) return false;
  const file = files.get(pathname);
  if (file === undefined) refuse(res, 404, 'There is no such file in this example.');
  else
    res.writeHead(200, { 'content-type': `${file.type}; charset=utf-8`, 'cache-control': 'no-store' }).end(file.body);
  return true;
}
