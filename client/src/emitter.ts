/** A typed event emitter. */
export class Emitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<(value: never) => void>>();
  readonly #sticky: readonly (keyof Events)[];
  /** The last value of each kept event that had no listener. */
  readonly #undelivered = new Map<keyof Events, unknown>();

  /**
   * @param sticky names of events that describe a state. If such an event has no listener, its last value is kept and
   * delivered to the first listener: one added after `await connect()` misses nothing that still applies.
   */
  constructor(sticky: readonly (keyof Events)[] = []) {
    this.#sticky = sticky;
  }

  /** Calls `listener` for every event of this name. @returns a function that removes the listener. */
  on<Name extends keyof Events>(name: Name, listener: (value: Events[Name]) => void): () => void {
    let all = this.#listeners.get(name);
    if (all === undefined) {
      all = new Set();
      this.#listeners.set(name, all);
    }
    all.add(listener);
    this.listenersChanged();
    // Deferred until this call has returned and other listeners added in the same turn are in place.
    if (this.#undelivered.has(name)) queueMicrotask(() => this.#redeliver(name));
    return () => this.off(name, listener);
  }

  /** Calls `listener` for the next event of this name only. @returns a function that removes the listener. */
  once<Name extends keyof Events>(name: Name, listener: (value: Events[Name]) => void): () => void {
    const off = this.on(name, (value) => {
      off();
      listener(value);
    });
    return off;
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
    const all = [...(this.#listeners.get(name) ?? [])];
    if (all.length > 0) this.#undelivered.delete(name);
    else if (this.#sticky.includes(name)) this.#undelivered.set(name, value);
    for (const listener of all) {
      try {
        (listener as (value: Events[Name]) => void)(value);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  /** Delivers a kept value, unless a newer event has been delivered since or the listener has been removed. */
  #redeliver<Name extends keyof Events>(name: Name): void {
    if (this.#undelivered.has(name)) this.emit(name, this.#undelivered.get(name) as Events[Name]);
  }
}
