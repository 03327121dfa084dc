/** Bundles the client and its parts into a file each: `npm run build:client`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { type BuildOptions, build, type Plugin } from 'esbuild';

/** The client's folder, relative to the compiled file in `dist/client`. */
const CLIENT = new URL('../../client/', import.meta.url);

/** The oldest supported browsers: the first versions with all the WebRTC features that the client needs. */
const TARGETS = ['chrome94', 'firefox113', 'safari15.4'];

interface BundleOptions {
  /** False keeps stack traces readable. */
  readonly minify?: boolean;
  /** The entry module in `client/src`; the whole client by default. */
  readonly entry?: string;
}

/** Leaves the module for encryption out of the others, which import it when they need it. */
const APART: Plugin = {
  name: 'encryption apart',
  setup: (build) =>
    build.onResolve({ filter: /\/encryption\.ts$/ }, ({ kind }) =>
      kind === 'dynamic-import' ? { path: './encryption.js', external: true } : null,
    ),
};

/** Leaves the client itself out of what is used with it. */
const CLIENT_APART: Plugin = {
  name: 'client apart',
  setup: (build) => build.onResolve({ filter: /^\.\/index\.ts$/ }, () => ({ path: './client.js', external: true })),
};

/** Bundles the client, or a part of it, into one ES module. */
export function bundleClient({ minify = true, entry = 'index.ts' }: BundleOptions = {}): Promise<Uint8Array> {
  return bundle(entry, { minify, format: 'esm' });
}

/** Bundles the module for encryption, which holds its worker's code, and that worker alone. */
export async function bundleEncryption(): Promise<{ module: Uint8Array; worker: Uint8Array }> {
  const worker = await bundle('encryption-worker.ts', { format: 'iife' });
  const define = { ENCRYPTION_WORKER: JSON.stringify(new TextDecoder().decode(worker)) };
  return { module: await bundle('encryption.ts', { format: 'esm', define }), worker };
}

/** Bundles the hook for React, which imports React and the client. */
export function bundleReact(): Promise<Uint8Array> {
  return bundle('react.ts', { format: 'esm', plugins: [CLIENT_APART], external: ['react'] });
}

/** Bundles the client and push-to-talk into a script that needs no module; their exports are members of `BeepVoice`. */
export function bundleScript(): Promise<Uint8Array> {
  return bundle('browser.ts', { format: 'iife', globalName: 'BeepVoice' });
}

async function bundle(entry: string, options: BuildOptions): Promise<Uint8Array> {
  const { outputFiles } = await build({
    minify: true,
    plugins: [APART],
    ...options,
    entryPoints: [fileURLToPath(new URL(`src/${entry}`, CLIENT))],
    bundle: true,
    target: TARGETS,
    legalComments: 'none',
    write: false,
  });
  return outputFiles![0]!.contents;
}

/** Returns the size of the bundle in bytes, plain and compressed with gzip as servers do. */
export function sizesOf(bundle: Uint8Array): { bytes: number; gzipped: number } {
  return { bytes: bundle.length, gzipped: gzipSync(bundle, { level: 9 }).length };
}

/** Returns the content of each script of the package, by file name. */
export async function packageFiles(): Promise<Readonly<Record<string, Uint8Array>>> {
  const { module, worker } = await bundleEncryption();
  return {
    'client.js': await bundleClient(),
    'client.iife.js': await bundleScript(),
    'react.js': await bundleReact(),
    'push-to-talk.js': await bundleClient({ entry: 'push-to-talk.ts' }),
    'encryption.js': module,
    'encryption-worker.js': worker,
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  mkdirSync(new URL('dist/', CLIENT), { recursive: true });
  for (const [name, contents] of Object.entries(await packageFiles())) {
    writeFileSync(new URL(`dist/${name}`, CLIENT), contents);
    const { bytes, gzipped } = sizesOf(contents);
    console.log(`client/dist/${name}: ${bytes} bytes, ${gzipped} gzipped`);
  }
}
