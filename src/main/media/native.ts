/** The native library: its module, and the versions of what is built into it. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { getLibraryVersion } from 'node-datachannel';

/**
 * The library's native module, which can change the log level without a callback; the wrapper insists on one. A
 * callback must not be replaced while a thread of the library runs it. Removing it waits for that.
 */
export const native = Object.values(createRequire(import.meta.url).cache).find((module) =>
  module?.filename.endsWith('node_datachannel.node'),
) as { readonly filename: string; readonly exports: { initLogger(level: string): void } } | undefined;

/** What a library writes into each program that it is linked into. */
const MARKS = {
  libsrtp2: /\blibsrtp2 (\d+\.\d+\.\d+)/,
  OpenSSL: /\bOpenSSL (\d+\.\d+\.\d+[a-z]*) /,
} as const;

/** Returns the versions of the libraries in the native module, by name. Reads its whole file, some 9 MB. */
export function nativeVersions(): Readonly<Record<string, string>> {
  const binary = native === undefined ? '' : readFileSync(native.filename, 'latin1');
  return { libdatachannel: getLibraryVersion(), ...versionsIn(binary) };
}

/** Returns the versions of the libraries that are linked into a program. @param binary its file, as Latin-1. */
export function versionsIn(binary: string): Readonly<Record<keyof typeof MARKS, string>> {
  const find = (mark: RegExp): string => mark.exec(binary)?.[1] ?? 'unknown';
  return { libsrtp2: find(MARKS.libsrtp2), OpenSSL: find(MARKS.OpenSSL) };
}
