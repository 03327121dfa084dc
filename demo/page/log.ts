/** Shows events, also to screen readers. It gathers arrivals and departures, so that a crowd takes one line. */
import { byId, make, setText } from './dom.ts';

const MAX_LINES = 30;
/** How long a line is shown outside of the log, milliseconds. */
const TOAST_MS = 6000;
const GATHER_MS = 1000;
/** Most names in one line. If there are more, a number replaces the last ones. */
const MAX_NAMES = 3;

export class EventLog {
  private readonly list = byId('log', HTMLDivElement);
  private readonly came = new Set<string>();
  private readonly went = new Set<string>();
  /** Whether arrivals and departures are shown outside of the log, too. */
  loud = false;
  /** Whether what is shown is of little weight. */
  private minor = false;
  private timer: number | undefined;
  private readonly toast = byId('toast', HTMLDivElement);
  private fading: number | undefined;

  /** Adds a line, and shows it for a moment to those who have the log closed. */
  tell(text: string): void {
    this.add(text);
    this.show(text);
  }

  /** @param minor whether it gives way to a line that is shown already. */
  private show(text: string, minor = false): void {
    if (minor && !this.minor && this.toast.textContent !== '') return;
    this.minor = minor;
    setText(this.toast, text);
    clearTimeout(this.fading);
    this.fading = setTimeout(() => setText(this.toast, ''), TOAST_MS);
  }

  add(text: string): void {
    const now = new Date();
    const time = make('time', '', now.toLocaleTimeString());
    time.dateTime = now.toISOString();
    this.list.append(make('p', '', time, text));
    while (this.list.children.length > MAX_LINES) this.list.firstElementChild?.remove();
  }

  joined(name: string): void {
    if (!this.went.delete(name)) this.came.add(name);
    this.gather();
  }

  left(name: string): void {
    if (!this.came.delete(name)) this.went.add(name);
    this.gather();
  }

  /** Drops the arrivals and departures gathered so far, because the user has changed rooms. */
  forget(): void {
    this.came.clear();
    this.went.clear();
  }

  private gather(): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      const moves = [
        this.came.size > 0 ? `${listed([...this.came])} joined.` : '',
        this.went.size > 0 ? `${listed([...this.went])} left.` : '',
      ].filter((line) => line !== '');
      for (const line of moves) this.add(line);
      if (this.loud && moves.length > 0) this.show(moves.join(' '), true);
      this.forget();
    }, GATHER_MS);
  }
}

/** Returns names as one phrase: `Ada, Ben and 8 more`. */
function listed(names: readonly string[]): string {
  const shown = names.length > MAX_NAMES ? names.slice(0, MAX_NAMES - 1) : names;
  const parts = shown.length < names.length ? [...shown, `${names.length - shown.length} more`] : shown;
  return parts.length === 1 ? parts[0]! : `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`;
}
