/** `.env`, where variables may stand that are not exported. */
import { existsSync, readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { ConfigError, type Environment } from './config.ts';

/**
 * Reads a file of variables; empty if there is none.
 *
 * @throws ConfigError if it is there and cannot be read: a folder, say, which Docker makes where a file to be mounted is
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
