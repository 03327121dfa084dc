/** A typed event emitter. */
export class Emitter<Events extends object> {
  /** The listeners of each event; true for those that have yet to hear the kept value. */
  readonly #listeners = new Map<keyof Events, Map<(value: never) => void, boolean>>();
  readonly #states: readonly (keyof Events)[];
  readonly #news: readonly (keyof Events)[];
  /** The last value of each event that is kept. */
  readonly #kept = new Map<keyof Events, unknown>();

  /**
   * @param states events that describe a state: every new listener hears the last value.
   * @param news events that are kept only until somebody has heard them.
   */
  constructor(states: readonly (keyof Events)[] = [], news: readonly (keyof Events)[] = []) {
    this.#states = states;
    this.#news = news;
  }

  /**
   * Calls `listener` for every event of this name. Where the event describes a state that has a value already, the
   * listener hears that first, in a microtask: it misses nothing, whenever it is added.
   *
   * @returns a function that removes the listener.
   */
  on<Name extends keyof Events>(name: Name, listener: (value: Events[Name]) => void): () => void {
    return this.#add(name, listener, true);
  }

  /** Calls `listener` for the next event of this name only, not for a value of before. @returns as {@link on}. */
  once<Name extends keyof Events>(name: Name, listener: (value: Events[Name]) => void): () => void {
    const first = (value: Events[Name]): void => {
      this.off(name, first);
      listener(value);
    };
    return this.#add(name, first, false);
  }

  /** Removes a listener added by {@link on}. */
  off<Name extends keyof Events>(name: Name, listener: (value: Events[Name]) => void): void {
    this.#listeners.get(name)?.delete(listener);
    this.listenersChanged();
  }

  /** Whether an event has listeners. */
  protected hasListeners(name: keyof Events): boolean {
    return (this.#listeners.get(name)?.size ?? 0) > 0;
  }

  /** Listeners have come or gone. */
  protected listenersChanged(): void {}

  /** Calls all listeners. If one throws, the others are still called, and its error is reported as uncaught. */
  protected emit<Name extends keyof Events>(name: Name, value: Events[Name]): void {
    const all = this.#listeners.get(name);
    if (this.#states.includes(name) || (this.#news.includes(name) && !this.hasListeners(name)))
      this.#kept.set(name, value);
    for (const listener of [...(all?.keys() ?? [])]) this.#call(name, listener, value);
  }

  #add<Name extends keyof Events>(name: Name, listener: (value: Events[Name]) => void, late: boolean): () => void {
    const all = this.#listeners.get(name) ?? new Map();
    this.#listeners.set(name, all.set(listener, late));
    this.listenersChanged();
    // Deferred until this call has returned, so that the application has what it returns.
    queueMicrotask(() => {
      if (all.get(listener) && this.#kept.has(name)) this.#call(name, listener, this.#kept.get(name));
    });
    return () => this.off(name, listener);
  }

  #call(name: keyof Events, listener: (value: never) => void, value: unknown): void {
    const all = this.#listeners.get(name)!;
    // Another listener may have removed this one.
    if (!all.has(listener)) return;
    all.set(listener, false);
    if (this.#news.includes(name)) queueMicrotask(() => this.#kept.delete(name));
    try {
      (listener as (value: unknown) => void)(value);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}
