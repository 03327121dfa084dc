/** Bundles the page's script together with the browser client. */
import { fileURLToPath } from 'node:url';
import { build, stop } from 'esbuild';

/** The entry module, relative to the compiled file in `dist/demo`. */
const ENTRY = new URL('../../demo/page/page.ts', import.meta.url);

/** Bundles the script into one ES module. Its source map lets a debugger show the TypeScript source. */
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
