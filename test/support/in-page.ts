import type { Page } from './browsers.ts';

export interface InPageOptions {
  /** The condition in words, for the error. */
  readonly what?: string;
  /** An expression whose value the error tells. */
  readonly tell: string;
  /** Milliseconds. */
  readonly timeout: number;
}

/** Waits until an expression is true in a page, looking at it every 20 ms. */
export async function untilInPage(
  page: Page,
  condition: string,
  { what = condition, tell, timeout }: InPageOptions,
): Promise<void> {
  await page.evaluate(`new Promise((go, fail) => {
    const late = setTimeout(() => fail(new Error(${JSON.stringify(`not in time: ${what}: `)} + ${tell})), ${timeout});
    const look = () => {
      if (!(${condition})) return setTimeout(look, 20);
      clearTimeout(late);
      go();
    };
    look();
  })`);
}
