/** Connects and closes clients repeatedly, and checks what that leaves behind. */
import { ClientHost } from '../support/client.ts';
import { describe, type Figures, Watch } from './figures.ts';
import type { Report } from './report.ts';
import { startSoaked } from './soaked.ts';

const AT_A_TIME = 8;
/**
 * One connection in this many may fail: on an overloaded machine a client's library now and then takes longer to
 * process the answer than the server holds back ICE.
 */
const FAILS_ONE_IN = 1000;
/** Cycles of one client process. Replacing it keeps its own growth out of the figures. */
const CYCLES_OF_A_HOST = 500;

/** Lets clients connect and close this often, and compares the server's figures with those after the first part. */
export async function cycle(cycles: number, parts: number, report: Report): Promise<void> {
  const server = await startSoaked();
  const watch = new Watch(server, report);
  report.tell(`before: ${describe(await watch.figures())}`);
  let first: Figures | null = null;
  for (let part = 1; part <= parts; part++) {
    const from = Math.round((cycles * (part - 1)) / parts);
    const to = Math.round((cycles * part) / parts);
    for (let done = from; done < to; done += CYCLES_OF_A_HOST) {
      await connectAndClose(server.url, Math.min(CYCLES_OF_A_HOST, to - done), watch, report);
      await watch.look();
    }
    const figures = await watch.settled(0, 0, first?.descriptors ?? Number.POSITIVE_INFINITY);
    if (first !== null) watch.compare(first, figures);
    first ??= figures;
    report.tell(`after ${to} cycles: ${describe(figures)}`);
  }
  await watch.emptied();
  await watch.balance();
  const failed = report.counts.get('closed 4502 ') ?? 0;
  if (failed > Math.max(1, cycles / FAILS_ONE_IN)) report.violated(`${failed} of ${cycles} connections failed`);
  report.tell(`websockets closed: ${report.summary('closed ')}`);
  const code = await server.stop();
  if (code !== 0) report.violated(`the server ended with ${code}`);
}

async function connectAndClose(url: string, cycles: number, watch: Watch, report: Report): Promise<void> {
  const host = new ClientHost();
  let next = 0;
  const some = async (): Promise<void> => {
    while (next < cycles) {
      const client = await host.connect(url, `user${next++}`, { slots: 3, keeps: false });
      report.count(`closed ${client.close.code} `);
      if (![1000, 4502].includes(client.close.code))
        report.violated(`closed with ${client.close.code} ${client.close.reason}`);
      await client.end();
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, some));
  // The last clients' goodbyes have to arrive before their process ends.
  await watch.settled(0, 0, Number.POSITIVE_INFINITY);
  host.kill();
}
