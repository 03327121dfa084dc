/** One process of a crowd: clients that are ready, and connect when they are told to, as the browser client does. */
import { setTimeout as pause } from 'node:timers/promises';
import { Backoff } from '../../client/src/backoff.ts';
import { closeError } from '../../client/src/errors.ts';
import type { Connected, CrowdOptions, FromCrowd, ToCrowd } from './crowd.ts';
import { Refusal, WebrtcClient } from './webrtc.ts';

/** The pauses of the browser client, milliseconds. */
const [FIRST_PAUSE, LONGEST_PAUSE] = [500, 15_000];

interface Member {
  client: WebrtcClient;
  /** Makes another client for the same user. */
  make(): WebrtcClient;
}

const clients: Member[] = [];

async function prepare({ url, first, count, slots, data }: CrowdOptions): Promise<void> {
  for (let i = 0; i < count; i++) {
    const claim = { userid: `crowd-${first + i}`, clientid: 'client' };
    const make = (): WebrtcClient =>
      new WebrtcClient({ url, claim, slots, publishes: true, payloadType: 111, ssrc: 1 + i, data });
    const client = make();
    clients.push({ client, make });
    await client.prepare();
  }
}

async function connect(): Promise<Connected> {
  const failures: Record<string, number> = {};
  const asked: number[] = [];
  const begun = performance.now();
  let longestAttempt = 0;
  const one = async (member: Member): Promise<number> => {
    const backoff = new Backoff(FIRST_PAUSE, LONGEST_PAUSE);
    for (;;) {
      const since = performance.now();
      let retryAfter = 0;
      let why: string;
      try {
        await member.client.connect();
        const { code, reason } = member.client.close!;
        if (code === 1000) {
          longestAttempt = Math.max(longestAttempt, performance.now() - since);
          return performance.now() - begun;
        }
        const { retryable, retryAfter: asked } = closeError(code, reason);
        if (!retryable) throw new TypeError(`a client was closed with ${code} ${reason}`);
        why = `${code} ${reason.split(':')[0]}`;
        retryAfter = asked ?? 0;
      } catch (error) {
        if (error instanceof TypeError) throw error;
        why = error instanceof Refusal ? String(error.status) : String(error);
        retryAfter = error instanceof Refusal ? (error.retryAfter ?? 0) : 0;
        if (error instanceof Refusal) asked.push(retryAfter / 1000);
      }
      failures[why] = (failures[why] ?? 0) + 1;
      // The peer connection may have the answer already.
      member.client.end();
      member.client = member.make();
      await pause(backoff.next(retryAfter));
    }
  };
  const times = await Promise.all(clients.map(one));
  const retryAfter = asked.length === 0 ? null : ([Math.min(...asked), Math.max(...asked)] as const);
  return { times, longestAttempt, failures, retryAfter };
}

async function obey(message: ToCrowd): Promise<FromCrowd> {
  switch (message.type) {
    case 'prepare':
      await prepare(message.options);
      return { type: 'prepared' };
    case 'connect':
      return { type: 'connected', result: await connect() };
    default:
      return message satisfies never;
  }
}

process.on('message', (message: ToCrowd) => {
  obey(message)
    .catch((error: unknown): FromCrowd => ({ type: 'failed', error: String(error) }))
    .then((reply) => process.send!(reply));
});
process.on('disconnect', () => process.exit(0));
