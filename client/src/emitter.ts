/** Events by name, typed. */
export class Emitter<Events extends object> {
  private readonly listeners = new Map<keyof Events, Set<(value: never) => void>>();
  private readonly kept: readonly (keyof Events)[];
  /** The last of what nobody heard. */
  private readonly unheard = new Map<keyof Events, unknown>();

  /**
   * @param kept names of events that say how things are. The last one that nobody heard is told to the first who listens: a listener
   * that is added after `await connect()` misses nothing that still holds.
   */
  constructor(kept: readonly (keyof Events)[] = []) {
    this.kept = kept;
  }

  /** Calls `listener` at every event of this name. @returns a function that ends that. */
  on<Name extends keyof Events>(name: Name, listener: (value: Events[Name]) => void): () => void {
    let all = this.listeners.get(name);
    if (all === undefined) {
      all = new Set();
      this.listeners.set(name, all);
    }
    all.add(listener);
    // Not before this has returned, nor before others that are added with it.
    if (this.unheard.has(name)) queueMicrotask(() => this.repeat(name));
    return () => this.off(name, listener);
  }

  /** Calls `listener` at the next event of this name. @returns a function that ends that. */
  once<Name extends keyof Events>(name: Name, listener: (value: Events[Name]) => void): () => void {
    const off = this.on(name, (value) => {
      off();
      listener(value);
    });
    return off;
  }

  /** Ends what {@link on} began. */
  off<Name extends keyof Events>(name: Name, listener: (value: Events[Name]) => void): void {
    this.listeners.get(name)?.delete(listener);
  }

  /** A listener that throws keeps nobody else from hearing: its error is reported as uncaught. */
  protected emit<Name extends keyof Events>(name: Name, value: Events[Name]): void {
    const all = [...(this.listeners.get(name) ?? [])];
    if (all.length > 0) this.unheard.delete(name);
    else if (this.kept.includes(name)) this.unheard.set(name, value);
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

  /** A newer one may have come since, or the listener gone. */
  private repeat<Name extends keyof Events>(name: Name): void {
    if (this.unheard.has(name)) this.emit(name, this.unheard.get(name) as Events[Name]);
  }
}
