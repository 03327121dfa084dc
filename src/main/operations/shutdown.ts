/**
 * Shuts the process down. The first signal lets conversations finish. The second one closes everything at once. A third
 * one, while that goes on, ends the process as it is. An uncaught error closes everything at once, too, and another
 * error meanwhile ends the process as it is.
 */
import { flushed, type Log } from '../log/log.ts';
import { leaveSignals, SIGNALS } from './early-signals.ts';
import { Watchdog } from './watchdog.ts';

/** The phases of a shutdown. */
export interface Steps {
  /** Refuses new clients. Resolves once nothing is worth waiting for any more, or when `aborted` fires. */
  drain(aborted: AbortSignal): Promise<void>;
  /** Ends everything. @param why a signal, or `error`. */
  close(why: string): Promise<void>;
}

/** Longest duration of each phase, milliseconds. */
export interface Timeouts {
  readonly drain: number;
  /** If it is exceeded, the exit code is 1. */
  readonly close: number;
}

/** Shuts down and exits at a signal or an uncaught error. */
export function endOnSignals(steps: Steps, timeouts: Timeouts, log: Log): void {
  const watchdog = new Watchdog(log);
  const impatient = new AbortController();
  let phase: 'running' | 'draining' | 'closing' = 'running';

  const close = async (why: string, exitCode: 0 | 1): Promise<void> => {
    phase = 'closing';
    watchdog.endWithin(timeouts.close);
    await steps.close(why);
    log.info('stopped');
    await flushed(log);
    // The native library's threads outlive everything else; they have nothing left to do.
    process.exit(exitCode);
  };
  const fail = (err: unknown): void => {
    log.fatal({ err }, 'unexpected error; shutting down');
    if (phase === 'closing') process.exit(1);
    close('error', 1).catch(fail);
  };
  const drain = async (signal: string): Promise<void> => {
    phase = 'draining';
    // First of all, because everything else may block. From now on the end is certain.
    watchdog.endWithin(timeouts.drain + timeouts.close);
    log.info({ signal }, 'draining; another signal ends the conversations that go on');
    await steps.drain(impatient.signal);
    // An error may have started to close everything.
    if (phase !== 'draining') return;
    log.info('shutting down');
    await close(signal, 0);
  };
  const take = (signal: string): void => {
    if (phase === 'running') {
      drain(signal).catch(fail);
    } else if (!impatient.signal.aborted) {
      // Even in the phase of closing: supervisors that signal a group and its leader send the first signal twice.
      impatient.abort();
    } else if (phase === 'closing') {
      log.error({ signal }, 'ended before everything was closed');
      process.exit(1);
    }
  };
  process.on('uncaughtException', fail);
  process.on('unhandledRejection', fail);
  for (const signal of SIGNALS) process.on(signal, take);
  leaveSignals();
}
