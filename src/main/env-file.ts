/** Reads `.env`, which may have variables that are not exported. */
import { existsSync, readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { ConfigError, type Environment } from './config.ts';

/**
 * Reads a file of variables; empty if there is none.
 *
 * @throws ConfigError if it exists but cannot be read. Docker, for example, makes a folder if a file to mount is
 *   missing.
 */
export function readEnvFile(path: string): Environment {
  if (!existsSync(path)) return {};
  try {
    return parseEnv(readFileSync(path, 'utf8'));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new ConfigError(
      `${path} cannot be read (${code ?? message}): make it a file that this user can read, or remove it`,
    );
  }
}
