/** Notices when the network may have changed or the machine may have slept. */

/** Interval at which the clock is checked, milliseconds. */
const TICK_MS = 2000;
/** If a timer is this late, milliseconds, the machine slept. */
const SLEPT_MS = 8000;

/**
 * Calls `woken` when the browser comes online, the page becomes visible or is restored, the network changes, or the
 * machine has slept; calls `gone` when the page is left.
 *
 * @returns a function that stops watching.
 */
export function watchWaking(woken: () => void, gone: () => void): () => void {
  const aborter = new AbortController();
  const { signal } = aborter;
  const visible = (): void => {
    if (document.visibilityState === 'visible') woken();
  };
  addEventListener('online', woken, { signal });
  addEventListener('pageshow', ({ persisted }) => persisted && woken(), { signal });
  addEventListener('pagehide', gone, { signal });
  document.addEventListener('visibilitychange', visible, { signal });
  // Chromium only.
  (navigator as { connection?: EventTarget }).connection?.addEventListener?.('change', woken, { signal });
  let last = Date.now();
  const timer = setInterval(() => {
    const now = Date.now();
    if (now - last > TICK_MS + SLEPT_MS) woken();
    last = now;
  }, TICK_MS);
  return () => {
    aborter.abort();
    clearInterval(timer);
  };
}
