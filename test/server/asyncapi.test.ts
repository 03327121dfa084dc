/** What a real server sends and how it hangs up, against its AsyncAPI document. */
import { request } from 'undici';
import { equal, is, ok } from 'uvu/assert';
import { EVENT_TYPES, EVENTS_LABEL, type EventRequestInput, writeRequest } from '../../src/main/events/schema.ts';
import { ASYNC_API, isLike, messagesLike } from '../support/asyncapi.ts';
import { readOffer } from '../support/offers.ts';
import { scenarios } from '../support/scenario.ts';
import { claimHeader, type RunningServer, startServer } from '../support/server.ts';
import { openSocket } from '../support/socket.ts';
import { TapReader } from '../support/tap-reader.ts';
import { until } from '../support/waiting.ts';
import { WebrtcClient } from '../support/webrtc.ts';

const test = scenarios('asyncapi with a server');
const { operations, channels } = ASYNC_API;
const ROOM = 'attic';

/** A client that keeps what it is told as it came. */
class Client {
  readonly texts: string[] = [];
  readonly webrtc: WebrtcClient;

  constructor(url: string, userid: string) {
    const options = {
      url,
      claim: { userid, clientid: 'client' },
      slots: 1,
      publishes: true,
      payloadType: 111,
      ssrc: 1,
    };
    this.webrtc = new WebrtcClient({ ...options, data: true, label: EVENTS_LABEL }, undefined, (text) =>
      this.texts.push(text),
    );
  }

  /** All events so far. */
  get events(): { type: string; number?: number; total?: number }[] {
    return this.texts.flatMap((text) => JSON.parse(text));
  }

  /** Waits until so many events of a type have come. */
  async gets(type: string, count = 1): Promise<void> {
    await until(`${count} of ${type}`, () => this.events.filter((event) => event.type === type).length >= count);
  }

  /** Sends a request. @returns the answer, which is checked to be one of those described. */
  async ask(sent: EventRequestInput & { id: number }): Promise<string> {
    const { messages, reply } = operations[sent.type]!;
    const text = writeRequest(sent);
    equal(messagesLike(text, messages), [`request.${sent.type}`]);
    await this.webrtc.say([text]);
    const answered = (): string | undefined => this.texts.find((one) => JSON.parse(one).id === sent.id);
    const answer = await until(`the answer to ${text}`, answered);
    const names = messagesLike(answer, reply!.messages);
    is(names.length, 1, answer);
    return names[0]!;
  }
}

async function membership(
  method: 'POST' | 'DELETE',
  { url }: RunningServer,
  userid: string,
  room: string,
): Promise<void> {
  const { statusCode, body } = await request(`${url}/join/${room}`, { method, headers: claimHeader(userid) });
  is(statusCode, 200, await body.text());
}

async function act({ adminUrl }: RunningServer, userid: string, act: string): Promise<void> {
  const { statusCode, body } = await request(`${adminUrl}/conversations/${ROOM}/users/${userid}/${act}`, {
    method: 'POST',
  });
  is(statusCode, 200, await body.text());
}

/** A packet with a payload that can be sound. */
function packet(sequence: number): Buffer {
  const bytes = Buffer.alloc(112, 0x55);
  bytes.writeUInt16BE(0x806f, 0);
  bytes.writeUInt16BE(sequence, 2);
  bytes.writeUInt32BE(sequence * 960, 4);
  bytes.writeUInt32BE(1, 8);
  return bytes;
}

test('each text on the data channel is one of the messages described, and all but those of a cluster came', async () => {
  const server = await startServer({ EVENTS_INTERVAL_MS: '50' });
  const [ann, bob] = [new Client(server.url, 'ann'), new Client(server.url, 'bob')];
  for (const { webrtc } of [ann, bob]) {
    await webrtc.connect();
    is(webrtc.close!.code, 1000);
  }
  await ann.gets('snapshot');
  is(await ann.ask({ v: 1, type: 'hand', id: 1, raised: true }), 'event.error', 'in no conversation');
  for (const userid of ['ann', 'bob']) await membership('POST', server, userid, ROOM);
  await until('ann knows of two', () => ann.events.some(({ total }) => total === 2));
  let sequence = 0;
  const talking = setInterval(() => bob.webrtc.send(packet(++sequence)), 20).unref();
  for (const type of ['slots', 'speaking', 'dominant']) await ann.gets(type);
  clearInterval(talking);
  const own = ann.events.findLast(({ type }) => type === 'snapshot')!.number!;
  is(await ann.ask({ v: 1, type: 'mute', id: 2, muted: true }), 'event.ok');
  is(await ann.ask({ v: 1, type: 'deafen', id: 3, deafened: true }), 'event.ok');
  is(await ann.ask({ v: 1, type: 'hand', id: 4, raised: true }), 'event.ok');
  is(await ann.ask({ v: 1, type: 'pin', id: 5, numbers: [own] }), 'event.ok');
  is(await ann.ask({ v: 1, type: 'exclude', id: 6, numbers: [4_000_000_000] }), 'event.error');
  is(await ann.ask({ v: 1, type: 'participants', id: 7, limit: 1 }), 'event.page');
  const errors = ann.events.filter(({ type }) => type === 'error').length;
  await ann.webrtc.say(['hello', '{"v":2}', '{"v":1,"type":"dance"}', '{"v":1,"type":"mute"}']);
  await ann.gets('error', errors + 4);
  for (const [command, type] of [
    ['mute', 'silenced'],
    ['unmute', 'silenced'],
    ['listen', 'speak'],
    ['speak', 'speak'],
  ] as const) {
    const before = ann.events.filter((event) => event.type === type).length;
    await act(server, 'ann', command);
    await ann.gets(type, before + 1);
  }
  const tap = await new TapReader(server.adminUrl, ROOM).opened();
  await ann.gets('recording');
  tap.socket.close();
  await act(server, 'bob', 'kick');
  await membership('DELETE', server, 'ann', ROOM);
  for (const client of [ann, bob]) await client.gets('left');
  const again = new Client(server.url, 'ann');
  await again.webrtc.connect();
  await ann.gets('replaced');
  await again.gets('snapshot');
  const stopped = server.stop();
  await again.gets('draining');
  is(await stopped, 0);
  const told = operations['tell']!.messages;
  for (const text of [ann, bob, again].flatMap(({ texts }) => texts)) {
    const isAnswer = ['event.ok', 'event.page'].some((name) => isLike(text, name));
    is(messagesLike(text, told).length, isAnswer ? 0 : 1, text);
  }
  const types = new Set([ann, bob, again].flatMap(({ events }) => events.map(({ type }) => type)));
  equal(
    EVENT_TYPES.filter((type) => !types.has(type)),
    ['cluster'],
  );
  for (const { webrtc } of [ann, bob, again]) webrtc.end();
});

test('the answer is such a message, and the server hangs up as described', async () => {
  const server = await startServer({ OFFER_TIMEOUT_MS: '500', ICE_TIMEOUT_MS: '500', CONNECT_TIMEOUT_MS: '1000' });
  const offer = readOffer('chromium-156-mdns');
  const ways: [string, number, (string | Buffer)[]][] = [
    ['silent', 4408, []],
    ['binary', 1003, [Buffer.from(offer)]],
    ['garbage', 4400, ['hello']],
    ['no audio', 4406, [offer.replace(/opus\/48000\/2/g, 'PCMU/8000')]],
    ['no ice', 4504, [offer]],
    ['large', 1009, ['x'.repeat(70_000)]],
    ['invalid', 1007, []],
    ['flood', 4429, [offer, ...Array.from({ length: 20 }, () => 'hello')]],
  ];
  for (const [userid, wanted, texts] of ways) {
    const { socket, messages, closed } = await openSocket(server.url, userid);
    for (const text of texts) socket.send(text);
    // The library on this side sends what it is told to be text as it is.
    if (userid === 'invalid') socket.send(Buffer.from([0xff]), { binary: false });
    const { code, reason } = await closed;
    is(code, wanted, userid);
    const described = channels.connect['x-close-codes'].filter((one) => one.code === code);
    ok(
      described.some((one) => reason.startsWith(one.reason)),
      `${code} ${reason}`,
    );
    for (const text of messages) equal(messagesLike(text, operations['offer']!.reply!.messages), ['answer']);
    if (wanted === 4504) is(messages.length, 1);
  }
  is(await server.stop(), 0);
});

test.run();
