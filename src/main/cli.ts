/** What the command line asks for: usually nothing, and the service runs. */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { ConfigError, type Environment, readConfig } from './config.ts';
import { readEnvFile } from './env-file.ts';
import { reportConfig } from './operations/check-config.ts';
import { whyUnhealthy } from './operations/healthcheck.ts';
import { help } from './operations/help.ts';
import { visible } from './visible.ts';

const PACKAGE = new URL('../../../package.json', import.meta.url);

/** Exit codes. */
const GOOD = 0;
const BAD = 1;
const MISUSED = 2;

const options = {
  help: { type: 'boolean' },
  version: { type: 'boolean' },
  'check-config': { type: 'boolean' },
  healthcheck: { type: 'boolean' },
} as const;

type Options = { readonly [Name in keyof typeof options]?: boolean };

/**
 * Does what the command line asks for.
 *
 * @param args without node and the script. @param envFile where `.env` would be.
 * @returns the exit code, or null if nothing was asked for and the service is to run.
 */
export async function runCommand(args: readonly string[], envFile: string): Promise<number | null> {
  const asked = readArguments(args);
  if (asked === null) return MISUSED;
  if (asked.help) return print(help());
  if (asked.version) return print(JSON.parse(readFileSync(PACKAGE, 'utf8')).version);
  if (asked['check-config']) return check(envFile);
  if (asked.healthcheck) return checkHealth(envFile);
  return null;
}

function readArguments(args: readonly string[]): Options | null {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: false }).values;
  } catch (error) {
    // Node's second sentence is about its own ways to pass positional arguments.
    const [what] = (error as Error).message.split(/\. |\n/);
    console.error(visible(`${what}: --help lists what there is`));
    return null;
  }
}

function check(envFile: string): number {
  let file: Environment;
  try {
    file = readEnvFile(envFile);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    console.error(visible(error.message));
    return BAD;
  }
  const { lines, warnings, errors } = reportConfig(process.env, file);
  for (const line of lines) console.log(visible(line));
  for (const warning of warnings) console.error(visible(`warning: ${warning}`));
  for (const error of errors) console.error(visible(error));
  return errors.length === 0 ? GOOD : BAD;
}

async function checkHealth(envFile: string): Promise<number> {
  let why: string | null;
  try {
    why = await whyUnhealthy(readConfig({ ...readEnvFile(envFile), ...process.env }).ADMIN_LISTEN);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    why = error.message;
  }
  if (why === null) return GOOD;
  console.error(visible(why));
  return BAD;
}

function print(text: string): number {
  console.log(text);
  return GOOD;
}
