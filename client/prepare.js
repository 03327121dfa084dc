/**
 * Builds what the package is made of: `npm` runs this before it packs the folder, and when another project installs it.
 * The tools are those of the repository around it, which are installed first if they are not there.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('..', import.meta.url));
// An unpacked package is built already, and has nothing around it.
if (existsSync(new URL('src', import.meta.url))) {
  // The settings of the npm that runs this are about another project.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.toLowerCase().startsWith('npm_')),
  );
  const npm = (...args) => execFileSync('npm', args, { cwd: repository, stdio: ['ignore', 2, 2], env });
  if (!existsSync(new URL('../node_modules/esbuild', import.meta.url))) npm('ci');
  npm('run', 'build:client');
}
