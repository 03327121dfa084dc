/**
 * Sets the wall clock of a process off by `CLOCK_OFFSET_MS` milliseconds, as on a machine whose clock is wrong. Loaded
 * before the server with `node --import`. The monotonic clock stays as it is, as it does there.
 */
const offset = Number(process.env['CLOCK_OFFSET_MS'] ?? 0);
const now = Date.now;

class OtherDate extends Date {
  constructor(...args: unknown[]) {
    if (args.length === 0) super(OtherDate.now());
    else super(...(args as [number]));
  }

  static override now(): number {
    return now() + offset;
  }
}

globalThis.Date = OtherDate as DateConstructor;
const { timeOrigin } = performance;
Object.defineProperty(performance, 'timeOrigin', { get: () => timeOrigin + offset });
