/**
 * Signals that come while the service starts. Without a handler they would end any process but process 1, for which the
 * kernel ignores what nobody handles: a container that is stopped while it starts would run on until it is killed.
 *
 * No imports, so that it is there at once.
 */

/** The signals that shut the service down. */
export const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'] as const;

/** Ends the process at the first signal, with exit code 0: nobody is there yet who would have to be waited for. */
export function endAtSignals(): void {
  for (const signal of SIGNALS) process.on(signal, end);
}

/** Leaves signals to whoever handles them from now on. */
export function leaveSignals(): void {
  for (const signal of SIGNALS) process.off(signal, end);
}

function end(): void {
  process.exit(0);
}
