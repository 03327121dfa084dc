/** What the page keeps over a reload. */

/** A name and a room belong to a tab: two tabs of the same name would throw each other out. */
const OF_TAB = ['name', 'room'] as const;
/** Devices belong to the browser. */
const OF_BROWSER = ['source', 'slots', 'output', 'unfiltered'] as const;
type Key = (typeof OF_TAB)[number] | (typeof OF_BROWSER)[number];

const storeOf = (key: Key): Storage => ((OF_TAB as readonly Key[]).includes(key) ? sessionStorage : localStorage);

/** Returns what was kept, or null. A browser may forbid storage altogether. */
export function recall(key: Key): string | null {
  try {
    return storeOf(key).getItem(`voice-rooms-${key}`);
  } catch {
    return null;
  }
}

/** Keeps a value, if the browser lets it. */
export function remember(key: Key, value: string): void {
  try {
    storeOf(key).setItem(`voice-rooms-${key}`, value);
  } catch {
    // The page works without it, too.
  }
}

/** Returns the room that the page's link names, or null. */
export function roomOfLink(): string | null {
  return new URLSearchParams(location.search).get('room');
}

/** Writes the room into the page's address, so that a reload and a copied address lead to it. */
export function showRoomInLink(room: string): void {
  history.replaceState(null, '', linkTo(room));
}

/** Returns the link that leads to a room. */
export function linkTo(room: string): string {
  const url = new URL(location.href);
  url.search = new URLSearchParams({ room }).toString();
  url.hash = '';
  return url.href;
}
