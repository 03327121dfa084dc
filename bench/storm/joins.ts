/** Joins of many users, so many at a time, over as many sockets, as a proxy has them. */
import { Agent, request } from 'node:http';
import { claimHeader } from '../../test/support/server.ts';

export interface JoinTimes {
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly longest: number;
  readonly perSecond: number;
  /** The longest first request on one of the sockets, which are opened together; milliseconds. */
  readonly opening: number;
}

/** Lets all users of a crowd join conversations, other ones in each pass. @throws Error if one is refused. */
export async function joinAll(
  url: string,
  { clients, room, inFlight, pass }: { clients: number; room: number; inFlight: number; pass: number },
): Promise<JoinTimes> {
  const agent = new Agent({ keepAlive: true, maxSockets: inFlight });
  const first: number[] = [];
  const open = async (): Promise<void> => {
    const since = performance.now();
    await ask(agent, 'GET', `${url}/ice`, 'proxy');
    first.push(performance.now() - since);
  };
  await Promise.all(Array.from({ length: inFlight }, open));
  const times: number[] = [];
  const begun = performance.now();
  let next = 0;
  const some = async (): Promise<void> => {
    while (next < clients) {
      const user = next++;
      const since = performance.now();
      const status = await ask(agent, 'POST', `${url}/join/room-${pass}-${Math.floor(user / room)}`, `crowd-${user}`);
      if (status !== 200) throw new Error(`a join got ${status}`);
      times.push(performance.now() - since);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, some));
  const seconds = (performance.now() - begun) / 1000;
  agent.destroy();
  times.sort((a, b) => a - b);
  const at = (share: number): number => times[Math.floor((times.length - 1) * share)]!;
  return { p50: at(0.5), p99: at(0.99), longest: at(1), perSecond: clients / seconds, opening: Math.max(...first) };
}

function ask(agent: Agent, method: 'GET' | 'POST', url: string, userid: string): Promise<number> {
  return new Promise((resolve, reject) => {
    request(url, { method, agent, headers: claimHeader(userid) }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode!));
    })
      .once('error', reject)
      .end();
  });
}
