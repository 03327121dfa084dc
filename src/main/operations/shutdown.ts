/**
 * The way down: a signal lets conversations finish; a second one closes everything at once, if that has not begun; a third
 * one during that ends the process as it is. An error that nobody caught closes everything at once, too.
 */
import closeWithGrace from 'close-with-grace';
import { flushed, type Log } from '../log/log.ts';
import { leaveSignals, SIGNALS } from './early-signals.ts';
import { Watchdog } from './watchdog.ts';

/** A fault of native code must end the process at once: a handler in JavaScript would return to the faulting instruction. */
const FAULTS = ['SIGILL', 'SIGTRAP', 'SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGSEGV'] as const;

/** What has to be done. */
export interface Steps {
  /** Takes nothing new from now on. Resolves once nothing is left that is worth waiting for, or `aborted` fires. */
  drain(aborted: AbortSignal): Promise<void>;
  /** Ends all that stands. */
  close(why: string): Promise<void>;
}

/** Longest phases, milliseconds. */
export interface Timeouts {
  readonly drain: number;
  /** The exit code is 1 if it is not enough. */
  readonly close: number;
}

/** Looks after signals and uncaught errors. */
export function endOnSignals(steps: Steps, timeouts: Timeouts, log: Log): void {
  let reason = 'error';
  const watchdog = new Watchdog(log);
  const closing = closeWithGrace({ delay: false, logger: false, skip: [...SIGNALS, ...FAULTS] }, async ({ err }) => {
    watchdog.endWithin(timeouts.close);
    if (err !== undefined) log.fatal({ err }, 'unexpected error; shutting down');
    await steps.close(reason);
    log.info('stopped');
    await flushed(log);
    // The library's threads outlive everything else; nothing is left for them to do.
    process.exit(err === undefined ? 0 : 1);
  });
  const impatient = new AbortController();
  let phase: 'running' | 'draining' | 'closing' = 'running';
  const take = (signal: string): void => {
    switch (phase) {
      case 'running':
        phase = 'draining';
        reason = signal;
        // Before anything that may block: from now on the end is certain.
        watchdog.endWithin(timeouts.drain + timeouts.close);
        log.info({ signal }, 'draining; another signal ends the conversations that go on');
        steps.drain(impatient.signal).then(() => {
          phase = 'closing';
          log.info('shutting down');
          return closing.close();
        });
        return;
      case 'draining':
        return impatient.abort();
      case 'closing':
        // Whoever sends the first one twice, as supervisors that signal a group and its leader do, means nothing worse.
        if (!impatient.signal.aborted) return impatient.abort();
        log.error({ signal }, 'ended before everything was closed');
        process.exit(1);
        break;
      default:
        phase satisfies never;
    }
  };
  for (const signal of SIGNALS) process.on(signal, take);
  leaveSignals();
}
