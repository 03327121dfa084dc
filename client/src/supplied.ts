/** What the application supplies: a value, or a function that is called whenever one is needed. */
import { VoiceError } from './errors.ts';

/** How long such a function may take, and a request, milliseconds. */
export const SUPPLY_TIMEOUT_MS = 8000;

export type Source<T> = T | (() => T | Promise<T>);

/**
 * Returns the value, or what the function returns.
 *
 * @param signal stops waiting. @param failed makes the error for a function that throws or takes too long.
 * @throws VoiceError `superseded`, and that of `failed`.
 */
export async function supplied<T extends object | string | undefined>(
  source: Source<T>,
  signal: AbortSignal,
  failed: (why: string, cause?: unknown) => VoiceError,
): Promise<T> {
  if (typeof source !== 'function') return source;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let abort = (): void => undefined;
  // The application's function may never settle.
  const ended = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(failed(`it returned none within ${SUPPLY_TIMEOUT_MS} ms`)), SUPPLY_TIMEOUT_MS);
    abort = () => reject(new VoiceError('superseded', 'The request was aborted.'));
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
  });
  try {
    return await Promise.race([ended, call(source as () => T | Promise<T>, failed)]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
}

async function call<T>(source: () => T | Promise<T>, failed: (why: string, cause?: unknown) => VoiceError): Promise<T> {
  try {
    return await source();
  } catch (error) {
    throw failed(error instanceof Error ? error.message : String(error), error);
  }
}
