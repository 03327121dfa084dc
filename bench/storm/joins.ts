/** Joins of many users, so many at a time. */
import { Agent, request } from 'node:http';
import { claimHeader } from '../../test/support/server.ts';

export interface JoinTimes {
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly longest: number;
  readonly perSecond: number;
}

/** Lets all users of a crowd join conversations. @throws Error if one is refused. */
export async function joinAll(
  url: string,
  { clients, room, inFlight }: { clients: number; room: number; inFlight: number },
): Promise<JoinTimes> {
  const agent = new Agent({ keepAlive: true, maxSockets: inFlight });
  const times: number[] = [];
  const begun = performance.now();
  let next = 0;
  const some = async (): Promise<void> => {
    while (next < clients) {
      const user = next++;
      const since = performance.now();
      const status = await post(agent, `${url}/join/room-${Math.floor(user / room)}`, `crowd-${user}`);
      if (status !== 200) throw new Error(`a join got ${status}`);
      times.push(performance.now() - since);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, some));
  const seconds = (performance.now() - begun) / 1000;
  agent.destroy();
  times.sort((a, b) => a - b);
  const at = (share: number): number => times[Math.floor((times.length - 1) * share)]!;
  return { p50: at(0.5), p99: at(0.99), longest: at(1), perSecond: clients / seconds };
}

function post(agent: Agent, url: string, userid: string): Promise<number> {
  return new Promise((resolve, reject) => {
    request(url, { method: 'POST', agent, headers: claimHeader(userid) }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode!));
    })
      .once('error', reject)
      .end();
  });
}
