/** The browser client as other projects install it: packed, and as a folder; and in their pages behind a proxy. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { equal, is, match, ok } from 'uvu/assert';
import { type Browser, browserAvailable, launchBrowser } from '../support/browsers.ts';
import { startGatewayCommand } from '../support/gateway-command.ts';
import { openPackedPage, type PackedPage, servePacked } from '../support/packed-page.ts';
import { withProxy } from '../support/proxied-server.ts';
import { behindProxies, temporaryFolder } from '../support/proxies.ts';
import { scenarios } from '../support/scenario.ts';
import { startServer } from '../support/server.ts';

const test = scenarios('client package of npm');
const SECONDS = 120;
const REPOSITORY = fileURLToPath(new URL('../../../', import.meta.url));
const CLIENT = join(REPOSITORY, 'client');
/** The settings of the npm that may run this test are about this repository. */
const ENV = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.toLowerCase().startsWith('npm_')));

function run(cwd: string, command: string, ...args: string[]): string {
  return execFileSync(command, args, { cwd, env: ENV, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Makes an empty project with React and the types of both, and installs the client. */
function projectWith(client: string): string {
  const folder = temporaryFolder('project');
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  run(folder, 'npm', 'install', '--offline', '--no-audit', '--no-fund', '--legacy-peer-deps', client);
  for (const name of ['react', 'react-dom', 'scheduler', '@types/react', '@types/react-dom', 'csstype']) {
    mkdirSync(join(folder, 'node_modules/@types'), { recursive: true });
    symlinkSync(join(REPOSITORY, 'node_modules', name), join(folder, 'node_modules', name));
  }
  return folder;
}

/** Runs a module on Node.js, as a server that renders pages would. @returns what it prints, as JSON. */
function onServer(folder: string, code: string): unknown {
  writeFileSync(join(folder, 'main.js'), code);
  return JSON.parse(run(folder, process.execPath, 'main.js'));
}

function checkTypes(folder: string): void {
  const options = {
    module: 'nodenext',
    jsx: 'react-jsx',
    strict: true,
    noEmit: true,
    lib: ['es2023', 'dom'],
    types: [],
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, files: ['app.tsx'] }));
  writeFileSync(
    join(folder, 'app.tsx'),
    `import { connect, isSupported, VoiceClient, VoiceError, type Participant } from '@beep/webrtc-client';
    import { useVoice } from '@beep/webrtc-client/react';
    export function Room({ id }: { id: string }) {
      const { client, participants, error } = useVoice({ url: '/webrtc', conversation: id });
      const names: readonly string[] = participants.map((one: Participant) => one.userid);
      return <button onClick={() => client?.mute(true)}>{names.join()}{error?.code}</button>;
    }
    export const call = async (): Promise<VoiceClient | null> => (isSupported() ? connect({ url: '/webrtc' }) : null);
    export const isVoiceError = (error: unknown): boolean => error instanceof VoiceError;`,
  );
  run(folder, process.execPath, join(REPOSITORY, 'node_modules/typescript/bin/tsc'), '-p', folder);
}

let packed = '';

test(
  'npm pack makes a package of what a project needs, and no sources',
  () => {
    const folder = temporaryFolder('pack');
    run(CLIENT, 'npm', 'pack', '--pack-destination', folder);
    const [name] = readdirSync(folder);
    packed = join(folder, name!);
    const files = run(folder, 'tar', '-tzf', packed).split('\n');
    const scripts = files.filter((file) => file.endsWith('.js')).map((file) => file.replace('package/', ''));
    equal(scripts.sort(), [
      'dist/client.iife.js',
      'dist/client.js',
      'dist/encryption-worker.js',
      'dist/encryption.js',
      'dist/push-to-talk.js',
      'dist/react.js',
      'prepare.js',
    ]);
    for (const file of ['dist/types/index.d.ts', 'dist/types/react.d.ts', 'README.md']) {
      ok(files.includes(`package/${file}`), file);
    }
    ok(!files.some((file) => file.startsWith('package/src')));
  },
  SECONDS,
);

for (const [what, path] of [
  ['the package', () => packed],
  ['the folder', () => CLIENT],
] as const) {
  test(
    `${what}: a project installs it, compiles against it, and imports it on a server`,
    () => {
      const folder = projectWith(path());
      checkTypes(folder);
      const { supported, made, code, message } = onServer(
        folder,
        `import { connect, isSupported, VoiceClient } from '@beep/webrtc-client';
        let made = null;
        try { new VoiceClient({ url: 'http://localhost/webrtc' }); } catch (error) { made = error.name; }
        const { code, message } = await connect({ url: 'http://localhost/webrtc' }).catch((error) => error);
        console.log(JSON.stringify({ supported: isSupported(), made, code, message }));`,
      ) as Record<string, unknown>;
      equal([supported, made, code], [false, 'VoiceError', 'unsupported']);
      match(String(message), 'There is no RTCPeerConnection here');
    },
    SECONDS,
  );
}

test(
  'a server renders a component with the hook',
  () => {
    const folder = projectWith(packed);
    const html = onServer(
      folder,
      `import { useVoice } from '@beep/webrtc-client/react';
      import { createElement } from 'react';
      import { renderToString } from 'react-dom/server';
      const Room = () => {
        const { client, state, participants } = useVoice({ url: '/webrtc', conversation: 'attic' });
        return createElement('p', null, [client === null, state, participants.length].join());
      };
      console.log(JSON.stringify(renderToString(createElement(Room))));`,
    );
    is(html, '<p>true,idle,0</p>');
  },
  SECONDS,
);

interface Pages {
  /** As a module. */
  readonly ann: PackedPage;
  /** As a plain script. */
  readonly bob: PackedPage;
  /** Origin of both. */
  readonly origin: string;
}

/** Opens two pages with the package, of another origin than the API. */
async function withPages(browser: Browser, upstream: number, body: (pages: Pages) => Promise<void>): Promise<void> {
  const gateway = await servePacked(packed, upstream);
  try {
    const ann = await openPackedPage(browser, gateway, 'module');
    await body({ ann, bob: await openPackedPage(browser, gateway, 'script'), origin: gateway.url });
  } finally {
    await browser.close();
    await gateway.close();
  }
}

for (const kind of ['chromium', 'firefox'] as const) {
  const inBrowser = (name: string, add: (title: string) => void): void => {
    const title = `${kind}: ${name}`;
    if (browserAvailable(kind) || process.env['REQUIRE_BROWSERS'] === '1') add(title);
    else test.skip(title, `${kind} not installed`);
  };

  inBrowser('the package talks through the proxy, and is led to the next server by its reload', (title) =>
    behindProxies(
      test,
      title,
      (proxyKind) =>
        withProxy(
          proxyKind,
          async ({ server, auth, proxy }) => {
            const [next, browser] = [await startServer(), await launchBrowser(kind, { fakeDevices: true })];
            await withPages(browser, server.port, async ({ ann, bob }) => {
              for (const [page, user] of [
                [ann, 'ann'],
                [bob, 'bob'],
              ] as const)
                await page.connect({ url: proxy.url, token: await auth.token(user), conversation: 'attic' });
              await Promise.all([ann.hears('bob'), bob.hears('ann')]);
              proxy.lead({ server: next.port, auth: auth.port });
              server.process.kill('SIGTERM');
              await Promise.all(['ann', 'bob'].map((user) => next.logged('"joined"', `"${user}"`)));
              is(await server.exited, 0);
              await Promise.all([ann.hears('bob'), bob.hears('ann')]);
              for (const page of [ann, bob]) equal(await page.evaluate('states'), ['connecting', 'connected']);
              await ann.evaluate("client.join('cellar')");
              await bob.until('client.total === 1');
            }).finally(() => next.stop());
          },
          { DRAIN_TIMEOUT_MS: '60000' },
        ),
      SECONDS,
    ),
  );

  inBrowser('the package talks through the development gateway, and outlasts its restart', (title) =>
    test(
      title,
      async () => {
        const [server, browser] = [await startServer(), await launchBrowser(kind, { fakeDevices: true })];
        await withPages(browser, server.port, async ({ ann, bob, origin }) => {
          const args = [`--server=${server.port}`, `--origin=${origin}`];
          const first = await startGatewayCommand(args);
          await ann.connect({ url: first.api, token: 'ann', conversation: 'attic' });
          await bob.connect({ url: first.api, token: 'bob', conversation: 'attic' });
          await Promise.all([ann.hears('bob'), bob.hears('ann')]);
          is(await first.stop(), 0);
          await ann.evaluate("{ window.moved = client.join('cellar'); client.reconnect(); 0; }");
          await bob.hears('ann');
          await ann.until('client.retryAt !== null');
          const second = await startGatewayCommand([...args, `--port=${new URL(first.api).port}`]);
          try {
            await ann.evaluate('moved');
            await ann.until("client.conversation === 'cellar' && client.retryAt === null");
            await bob.until('client.total === 1');
            await bob.evaluate("client.join('cellar')");
            await Promise.all([ann.hears('bob'), bob.hears('ann')]);
            for (const page of [ann, bob]) equal(await page.evaluate('states'), ['connecting', 'connected']);
          } finally {
            await second.stop();
          }
        }).finally(() => server.stop());
      },
      SECONDS,
    ),
  );
}

test.run();
