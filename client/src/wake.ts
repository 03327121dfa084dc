/** Notices when the network or the machine may be another than before. */

/** How often the clock is looked at, milliseconds. */
const TICK_MS = 2000;
/** A timer that comes so much too late, milliseconds, was not late: the machine slept. */
const SLEPT_MS = 8000;

/**
 * Calls `woken` when the browser comes online, the page becomes visible or is restored, the network changes, or the machine
 * has slept; and `gone` when the page is left for good.
 *
 * @returns a function that ends that.
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
