/** Offers to `/connect` of a real server, and what may follow them: candidates, nothing, or a client that leaves. */
import { setTimeout as delay } from 'node:timers/promises';
import { Close } from '../../src/main/errors.ts';
import { below, type Random } from '../support/prng.ts';
import { openSocket, type SignallingSocket } from '../support/socket.ts';
import { anyOffer, anyTrickle } from './offers.ts';
import { FuzzedServer } from './process.ts';
import { type Counters, type FuzzTarget, insist, oneIn } from './target.ts';

const AT_A_TIME = 24;
const { internal: _, ...good } = Close;
/** The documented close codes except that of an internal error, and 1005, which answers a client's own close. */
const CODES: ReadonlySet<number> = new Set([1007, 1009, ...Object.values(good).map(({ code }) => code)]);
/** Longest pause of a client, milliseconds: now and then longer than the server holds candidates back. */
const MAX_WAIT_MS = 250;

/** Sends a first message, or none. */
function offer(random: Random, { socket }: SignallingSocket): void {
  switch (below(random, 60)) {
    case 0:
      return socket.send(Buffer.from(anyOffer(random)), { binary: true });
    case 1: {
      const bytes = Buffer.from(anyOffer(random));
      for (let i = 0; i < 8; i++) bytes[below(random, bytes.length)] = 0x80 | (random() & 0x7f);
      return socket.send(bytes, { binary: false });
    }
    case 2:
      return socket.send(anyOffer(random) + 'x'.repeat(65_536));
    case 3:
      return socket.send(anyTrickle(random));
    case 4:
      // No offer.
      return;
    default:
      return socket.send(anyOffer(random));
  }
}

async function attempt(url: string, random: Random, outcomes: Counters): Promise<void> {
  const user = oneIn(random, 8) ? 'somebody' : `user ${random()}`;
  const signalling = await openSocket(url, user);
  const { socket, closed, messages } = signalling;
  offer(random, signalling);
  const leaves = oneIn(random, 6);
  if (oneIn(random, 3)) {
    for (let i = below(random, oneIn(random, 10) ? 300 : 12); i > 0; i--) {
      if (oneIn(random, 8)) await delay(below(random, MAX_WAIT_MS / 4));
      if (socket.readyState === socket.OPEN) socket.send(anyTrickle(random), { binary: oneIn(random, 50) });
    }
  }
  if (leaves) {
    await delay(below(random, MAX_WAIT_MS));
    const before = socket.readyState;
    if (before === socket.OPEN && oneIn(random, 2)) socket.close();
    else socket.terminate();
    await closed;
    if (before === socket.OPEN)
      return outcomes.add(messages.length > 0 ? 'client left after its answer' : 'client left');
  }
  const { code, reason } = await closed;
  insist(leaves || CODES.has(code), () => `closed with ${code} ${reason}`);
  insist(messages.length <= 1 && messages.every((text) => text.startsWith('v=0\r\n')), () => `told ${messages}`);
  outcomes.add(messages.length > 0 ? `answered, then ${code}` : String(code));
}

export const connect: FuzzTarget = {
  name: 'connect',
  unit: 'offers',
  parallel: AT_A_TIME,
  weight: 4,
  async start() {
    const fuzzed = await FuzzedServer.start();
    return {
      async run(random, outcomes) {
        fuzzed.check();
        await attempt(fuzzed.server.url, random, outcomes);
        return 1;
      },
      rss: () => fuzzed.rss(),
      end: () => fuzzed.end(),
    };
  },
};
