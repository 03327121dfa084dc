/**
 * Handles signals while the service starts. For process 1, the kernel ignores signals without a handler: a container
 * that is stopped while it starts would run until it is killed.
 *
 * This module has no imports, so that it is ready at once.
 */

/** The signals that shut the service down. */
export const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'] as const;

/** Ends the process at the first signal, with exit code 0. There are no clients yet to wait for. */
export function endAtSignals(): void {
  for (const signal of SIGNALS) process.on(signal, end);
}

/** Stops handling signals, once other handlers are in place. */
export function leaveSignals(): void {
  for (const signal of SIGNALS) process.off(signal, end);
}

function end(): void {
  process.exit(0);
}
