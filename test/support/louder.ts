/** How loud a page plays a voice that it amplifies. */
import type { ClientPage } from './client-page.ts';
import { until } from './waiting.ts';

const LOOKS = 5;

/** By how much louder a tone is in one track than in another at the same time, the median of some looks, dB. */
export async function louderBy(page: ClientPage, track: string, original: string, tone: number): Promise<number> {
  const differences: number[] = [];
  await until('the tone was measured', async () => {
    const looks = [track, original].map((one) => `listen(${one}, [${tone}])`);
    const [one, other] = await page.evaluate<(number[] | null)[]>(`Promise.all([${looks}])`);
    if (one && other) differences.push(one[0]! - other[0]!);
    return differences.length === LOOKS;
  });
  return differences.sort((a, b) => a - b)[Math.floor(LOOKS / 2)]!;
}
