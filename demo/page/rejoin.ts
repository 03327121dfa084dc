/** Brings a page that is reloaded in the middle of a call back into it. */

const KEY = 'voice-rooms-call';

/** The call as it was. */
export interface KeptCall {
  readonly name: string;
  readonly room: string;
  /** As in the choice of the microphone. */
  readonly source: string;
  readonly slots: string;
  readonly muted: boolean;
  readonly deafened: boolean;
  /** How loud people are who are not at volume 1, by userid. */
  readonly volumes: readonly (readonly [string, number])[];
}

/**
 * Keeps the call when the page goes away, and not before: a copy of the tab, which gets a copy of the storage, would
 * otherwise take the call over.
 *
 * @param present returns the call, or null without one.
 */
export function keepOverReload(present: () => KeptCall | null): void {
  addEventListener('pagehide', () => {
    const call = present();
    try {
      if (call !== null) sessionStorage.setItem(KEY, JSON.stringify(call));
    } catch {
      // A browser may forbid storage. The user then joins by hand.
    }
  });
  // The page has come back from the browser's cache, with its call.
  addEventListener('pageshow', ({ persisted }) => {
    if (persisted) takeKept();
  });
}

/** Returns the call to go on with, once; null unless the user has just reloaded the page. */
export function takeKept(): KeptCall | null {
  try {
    const text = sessionStorage.getItem(KEY);
    sessionStorage.removeItem(KEY);
    return text === null || !isReloaded() ? null : (JSON.parse(text) as KeptCall);
  } catch {
    return null;
  }
}

/** Whether this is a reload, rather than a link, a visit, or a closed tab that was opened again. */
function isReloaded(): boolean {
  const [entry] = performance.getEntriesByType('navigation');
  return entry instanceof PerformanceNavigationTiming && entry.type === 'reload';
}
