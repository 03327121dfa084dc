/** The command line. Without an option, which is the usual case, the service runs. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Config, ConfigError, type Environment, readConfig } from './config.ts';
import { readEnvFile } from './env-file.ts';
import { createLog } from './log/log.ts';
import { reportConfig } from './operations/check-config.ts';
import { whyUnhealthy } from './operations/healthcheck.ts';
import { help } from './operations/help.ts';
import { visible } from './visible.ts';

/** `.env` in the root of the package. Variables that are already set take precedence. */
const ENV_FILE = fileURLToPath(new URL('../../../.env', import.meta.url));
const PACKAGE = new URL('../../../package.json', import.meta.url);

/** Exit codes. */
const GOOD = 0;
const BAD = 1;
const MISUSED = 2;

const options = {
  help: { type: 'boolean' },
  version: { type: 'boolean' },
  verbose: { type: 'boolean' },
  'check-config': { type: 'boolean' },
  healthcheck: { type: 'boolean' },
} as const;

type Options = { readonly [Name in keyof typeof options]?: boolean };

/** Runs a command and exits, or runs the service if there is no option. @param args the options. */
export async function run(args: readonly string[]): Promise<void> {
  const exitCode = await runCommand(args);
  if (exitCode !== null) process.exit(exitCode);
  const config = configure();
  const log = createLog(config.LOG_LEVEL);
  try {
    // Commands do not need it, and loading it takes longer than all the rest.
    const { start } = await import('./service.ts');
    await start(config, log);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (log.isLevelEnabled('fatal')) log.fatal(message);
    else console.error(visible(message));
    process.exit(1);
  }
}

/** Runs a command. @returns the exit code, or null if there is no option. */
async function runCommand(args: readonly string[]): Promise<number | null> {
  const asked = readArguments(args);
  if (asked === null) return MISUSED;
  if (asked.help) return print(help());
  if (asked.version) return print(await versions(asked.verbose === true));
  if (asked.verbose) return misused('--verbose goes with --version');
  if (asked['check-config']) return check();
  if (asked.healthcheck) return checkHealth();
  return null;
}

/** Reads the configuration of the service. Prints the reason and exits if it is bad. */
function configure(): Config {
  try {
    // For the whole process, because `.env` may have variables of libraries and Node.
    Object.assign(process.env, { ...readEnvFile(ENV_FILE), ...process.env });
    return readConfig(process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    console.error(visible(error.message));
    process.exit(1);
  }
}

function readArguments(args: readonly string[]): Options | null {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: false }).values;
  } catch (error) {
    // Node's second sentence is about positional arguments, which do not exist here.
    const [what] = (error as Error).message.split(/\. |\n/);
    misused(what!);
    return null;
  }
}

function check(): number {
  let file: Environment;
  try {
    file = readEnvFile(ENV_FILE);
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

async function checkHealth(): Promise<number> {
  let why: string | null;
  try {
    const { ADMIN_LISTEN, METRICS_LISTEN } = readConfig({ ...readEnvFile(ENV_FILE), ...process.env });
    const apart = ADMIN_LISTEN === null && METRICS_LISTEN !== null;
    why = await (apart ? whyUnhealthy(METRICS_LISTEN, 'METRICS_LISTEN') : whyUnhealthy(ADMIN_LISTEN));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    why = error.message;
  }
  if (why === null) return GOOD;
  console.error(visible(why));
  return BAD;
}

/** @param all whether those of all that parses what comes from the network are told, too. */
async function versions(all: boolean): Promise<string> {
  const { version, dependencies } = JSON.parse(readFileSync(PACKAGE, 'utf8'));
  if (!all) return version;
  // Commands do not need it otherwise.
  const { nativeVersions } = await import('./media/native.ts');
  const { node, openssl } = process.versions;
  const lines = [`Node.js ${node} (OpenSSL ${openssl})`, `node-datachannel ${dependencies['node-datachannel']}`];
  for (const [name, one] of Object.entries(nativeVersions())) lines.push(`  ${name} ${one}`);
  return [version, ...lines].join('\n');
}

function misused(what: string): number {
  console.error(visible(`${what}: --help lists what there is`));
  return MISUSED;
}

function print(text: string): number {
  console.log(text);
  return GOOD;
}
