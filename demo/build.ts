/** Builds the page's script, with the browser client in it. */
import { fileURLToPath } from 'node:url';
import { build, stop } from 'esbuild';

/** Seen from the compiled file in `dist/demo`. */
const ENTRY = new URL('../../demo/page/page.ts', import.meta.url);

/** The script as one ES module that a debugger shows as it was written. */
export async function bundlePage(): Promise<Uint8Array> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(ENTRY)],
    bundle: true,
    format: 'esm',
    target: 'es2022',
    sourcemap: 'inline',
    write: false,
  });
  await stop();
  return outputFiles[0]!.contents;
}
