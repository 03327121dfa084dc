/** One file of all speakers of a part, for listening, by ffmpeg. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

/**
 * Mixes files that begin at the same moment.
 *
 * @returns the path of the mix, `mix.opus` in the folder; null if there is nothing to mix.
 * @throws Error that says what ffmpeg could not do, or that it is not installed.
 */
export async function mix(folder: string, files: readonly string[]): Promise<string | null> {
  const there = files.filter((file) => existsSync(file));
  if (there.length === 0) return null;
  const path = join(folder, 'mix.opus');
  const filter = `amix=inputs=${there.length}:duration=longest:normalize=0,alimiter=limit=0.95`;
  const args = ['-nostdin', '-loglevel', 'error', ...there.flatMap((file) => ['-i', file])];
  try {
    await promisify(execFile)('ffmpeg', [...args, '-filter_complex', filter, '-c:a', 'libopus', '-b:a', '64k', path]);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Error(code === 'ENOENT' ? 'ffmpeg is not installed' : `ffmpeg failed: ${message}`);
  }
  return path;
}
