/** The browser client as other projects install it: packed, and as a folder. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { equal, is, match, ok } from 'uvu/assert';
import { temporaryFolder } from '../support/proxies.ts';
import { scenarios } from '../support/scenario.ts';

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

test.run();
