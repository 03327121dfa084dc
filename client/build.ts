/** Bundles the client into one file: `npm run build:client`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

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

/** Bundles the client, or a part of it, into one ES module. */
export async function bundleClient({ minify = true, entry = 'index.ts' }: BundleOptions = {}): Promise<Uint8Array> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(`src/${entry}`, CLIENT))],
    bundle: true,
    format: 'esm',
    target: TARGETS,
    minify,
    legalComments: 'none',
    write: false,
  });
  return outputFiles[0]!.contents;
}

/** Returns the size of the bundle in bytes, plain and compressed with gzip as servers do. */
export function sizesOf(bundle: Uint8Array): { bytes: number; gzipped: number } {
  return { bytes: bundle.length, gzipped: gzipSync(bundle, { level: 9 }).length };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const bundle = await bundleClient();
  const target = new URL('dist/client.js', CLIENT);
  mkdirSync(new URL('.', target), { recursive: true });
  writeFileSync(target, bundle);
  const { bytes, gzipped } = sizesOf(bundle);
  console.log(`client/dist/client.js: ${bytes} bytes, ${gzipped} gzipped`);
}
