/** Sends the messages of `messages.ts` over real data channels to a real server. */

import { setTimeout as delay } from 'node:timers/promises';
import { ClientHost, type TestClient } from '../support/client.ts';
import type { EventView } from '../support/event-view.ts';
import { below, type Random } from '../support/prng.ts';
import { claimHeader } from '../support/server.ts';
import { anyMessage } from './messages.ts';
import { FuzzedServer } from './process.ts';
import { type Counters, type FuzzTarget, insist, oneIn } from './target.ts';

const AT_A_TIME = 4;
/** The last request's id, and numbers of messages that are a flood and that are none: see `EventLimits`. */
const LAST = 123_456;
const FLOOD = 40;
const NO_FLOOD = 18;
const POLL_MS = 20;
/** Longest message that the client's library sends, with any characters. */
const MAX_LENGTH = 60_000;

/** Returns whether the last request was answered, or refused as part of a flood. */
function answered({ all }: EventView): boolean {
  return all.some(
    (event) => ('id' in event && event.id === LAST) || (event.type === 'error' && event.code === 'flood'),
  );
}

/** Sends many messages at once, and waits until the last one is answered or the channel is closed. */
async function converse(client: TestClient, random: Random, outcomes: Counters): Promise<number> {
  const flood = oneIn(random, 5);
  const count = flood ? FLOOD : 1 + below(random, NO_FLOOD);
  const texts = Array.from({ length: count }, () => {
    return anyMessage(random, [1, 65_537, below(random, 2 ** 17)])?.slice(0, MAX_LENGTH) ?? null;
  });
  const last = JSON.stringify({ v: 1, type: 'participants', id: LAST });
  // A flood goes out in one call, because the channel may be closed before the next one.
  if (flood) await client.say(...texts.map((text) => text ?? ''), last);
  else {
    for (const text of texts) await (text === null ? client.sayBinary(below(random, 5000)) : client.say(text));
    await client.say(last);
  }
  while (!answered(await client.look()) && (await client.state()).channelOpen) await delay(POLL_MS);
  const view = await client.look();
  const errors = view.of('error');
  insist(flood || answered(view), () => 'the channel closed without a flood');
  // Now and then the close overtakes the messages before it.
  if (!answered(view)) outcomes.add('closed before it was told why');
  for (const { code } of errors) outcomes.add(code);
  outcomes.add('ok', view.of('ok').length);
  outcomes.add('page', view.of('page').length);
  return count + 1;
}

export const channel: FuzzTarget = {
  name: 'channel',
  unit: 'messages',
  parallel: AT_A_TIME,
  weight: 1,
  async start() {
    const fuzzed = await FuzzedServer.start({ CONNECT_TIMEOUT_MS: '20000', EVENTS_INTERVAL_MS: '50' });
    const host = new ClientHost();
    const { url } = fuzzed.server;
    let clients = 0;
    return {
      async run(random, outcomes) {
        fuzzed.check();
        const user = `user ${clients++}`;
        const client = await host.connect(url, user);
        insist(client.close.code === 1000, () => `not connected: ${client.close.code} ${client.close.reason}`);
        if (!oneIn(random, 4)) await fetch(`${url}/join/room`, { method: 'POST', headers: claimHeader(user) });
        const count = await converse(client, random, outcomes);
        insist((await client.state()).state === 'connected', () => 'the connection went with its channel');
        await client.end();
        return count;
      },
      rss: () => fuzzed.rss(),
      async end() {
        await fuzzed.end();
        host.kill();
      },
    };
  },
};
