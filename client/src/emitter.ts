/** Events by name, typed. */
export class Emitter<Events extends object> {
  private readonly listeners = new Map<keyof Events, Set<(value: never) => void>>();

  /** Calls `listener` at every event of this name. @returns a function that ends that. */
  on<Name extends keyof Events>(name: Name, listener: (value: Events[Name]) => void): () => void {
    let all = this.listeners.get(name);
    if (all === undefined) {
      all = new Set();
      this.listeners.set(name, all);
    }
    all.add(listener);
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
    for (const listener of [...(this.listeners.get(name) ?? [])]) {
      try {
        (listener as (value: Events[Name]) => void)(value);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
