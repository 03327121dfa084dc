/**
 * Other WebRTC implementations connect over real UDP and DTLS, are heard by another listener and hear another speaker,
 * with all kinds of offers. `test/foreign/install` installs them; see test/foreign/README.md.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { equal, is } from 'uvu/assert';
import { WebSocket } from 'ws';
import { ClientHost, SILENCE } from '../support/client.ts';
import { scenarios } from '../support/scenario.ts';
import { claimHeader, type RunningServer, startServer } from '../support/server.ts';
import { until } from '../support/waiting.ts';

const test = scenarios('foreign clients');

const at = (path: string): string => fileURLToPath(new URL(`../../../test/foreign/${path}`, import.meta.url));

/** A client's command, and the file without which it is not installed. */
interface Program {
  readonly needs: string;
  readonly command: readonly string[];
  /** Whether it cannot connect over loopback alone. */
  readonly needsAddress?: boolean;
}
const CLIENTS: Readonly<Record<string, Program>> = {
  pion: { needs: at('built/pion'), command: [at('built/pion')] },
  aiortc: {
    needs: at('built/aiortc/bin/python'),
    command: [at('built/aiortc/bin/python'), at('aiortc/client.py')],
    needsAddress: true,
  },
  'aiortc max-bundle': {
    needs: at('built/aiortc/bin/python'),
    command: [at('built/aiortc/bin/python'), at('aiortc/client.py'), 'max-bundle'],
    needsAddress: true,
  },
  werift: {
    needs: at('werift/node_modules/werift'),
    command: [process.execPath, at('werift/client.mjs')],
    needsAddress: true,
  },
  gstreamer: { needs: at('built/gstreamer'), command: [at('built/gstreamer')], needsAddress: true },
  str0m: { needs: at('built/str0m'), command: [at('built/str0m')] },
  'webrtc-rs': { needs: at('built/webrtc-rs'), command: [at('built/webrtc-rs')] },
};

/** Their offers, m-line by m-line: `<kind>:<direction>`, or `data`. */
const OFFERS: Readonly<Record<string, string>> = {
  'a microphone and a data channel': 'audio:sendrecv data',
  'video before and after the microphone': 'video:sendrecv audio:sendrecv video:sendrecv data',
  'more receiving lines than there are slots': `audio:sendrecv${' audio:recvonly'.repeat(9)}`,
  'two sending lines': 'audio:sendrecv audio:sendrecv',
  'video to receive and lines of one direction': 'video:recvonly audio:recvonly audio:sendonly',
  'a data channel first': 'data audio:sendrecv',
  'all of it at once': `video:sendrecv audio:sendrecv audio:sendrecv${' audio:recvonly'.repeat(9)} video:recvonly data`,
  'no Opus on the first line': 'pcmu:sendrecv audio:sendrecv',
};

/**
 * Offers that a client cannot make, or that fail with every server because of its own faults: test/foreign/README.md.
 */
const BEYOND_US: Readonly<Record<string, readonly string[]>> = {
  aiortc: ['video to receive and lines of one direction'],
  'aiortc max-bundle': ['a data channel first'],
  str0m: ['no Opus on the first line'],
  'webrtc-rs': ['no Opus on the first line'],
};

/** Packets that have to arrive in each direction, half a second's, and the time that they may take. */
const ENOUGH = 25;
const PATIENCE_MS = 60_000;

const children = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

let running: Promise<RunningServer> | undefined;
const server = (): Promise<RunningServer> => {
  running ??= startServer({ WORKERS: '1', MEDIA_BIND: '' });
  return running;
};
const host = new ClientHost();

/** A client in a process of its own. */
class Foreign {
  state = 'new';
  received = 0;
  private readonly child: ChildProcess;
  private readonly offer: Promise<string>;
  private readonly failed: Promise<never>;

  constructor(command: readonly string[], shape: string) {
    const [program, ...args] = command;
    this.child = spawn(program!, [...args, shape], { stdio: ['pipe', 'pipe', 'pipe'] });
    children.add(this.child);
    let said = '';
    this.child.stderr!.on('data', (chunk) => {
      said = `${said}${chunk}`.slice(-4000);
    });
    // The client may have ended before the answer comes.
    this.child.stdin!.on('error', () => undefined);
    let offered: (offer: string) => void;
    this.offer = new Promise((resolve) => {
      offered = resolve;
    });
    this.failed = new Promise((_, reject) => {
      createInterface({ input: this.child.stdout! }).on('line', (line) => {
        const message: Record<string, unknown> = JSON.parse(line);
        if (message['error'] !== undefined) reject(new Error(`${message['error']}\n${said}`));
        if (typeof message['offer'] === 'string') offered(message['offer']);
        if (typeof message['state'] === 'string') this.state = message['state'];
        if (typeof message['received'] === 'number') this.received = message['received'];
      });
      this.child.once('close', (code) => {
        children.delete(this.child);
        reject(new Error(`it ended with ${code}\n${said}`));
      });
    });
    this.failed.catch(() => undefined);
  }

  /** Connects. @returns how the server closed the websocket. */
  async connect(url: string, userid: string): Promise<{ code: number; reason: string; answer: string }> {
    const offer = await this.orFails(this.offer);
    const socket = new WebSocket(`${url.replace('http', 'ws')}/connect`, { headers: claimHeader(userid) });
    let answer = '';
    const closed = new Promise<{ code: number; reason: string; answer: string }>((resolve, reject) => {
      socket.once('open', () => socket.send(offer));
      socket.once('error', reject);
      socket.on('message', (text) => {
        answer = String(text);
        this.child.stdin!.write(`${JSON.stringify({ answer })}\n`);
      });
      socket.once('close', (code, reason) => resolve({ code, reason: String(reason), answer }));
    });
    return this.orFails(closed);
  }

  /** Waits until a condition holds, or the client fails. */
  async until(condition: () => boolean | Promise<boolean>): Promise<void> {
    await this.orFails(until(`the condition holds: ${condition}`, condition, { interval: 50 }));
  }

  end(): void {
    this.child.stdin!.end();
    setTimeout(() => this.child.kill('SIGKILL'), 3000).unref();
  }

  private orFails<T>(promise: Promise<T>): Promise<T> {
    return Promise.race([promise, this.failed]);
  }
}

async function join(userid: string, room: string): Promise<void> {
  const { status } = await fetch(`${(await server()).url}/join/${room}`, {
    method: 'POST',
    headers: claimHeader(userid),
  });
  is(status, 200);
}

let rooms = 0;

async function meet(command: readonly string[], shape: string): Promise<void> {
  const { url } = await server();
  const number = ++rooms;
  const [room, guest, house] = [`room${number}`, `guest${number}`, `house${number}`];
  const foreign = new Foreign(command, shape);
  const native = await host.connect(url, house, { slots: 1 });
  try {
    const { code, reason } = await foreign.connect(url, guest);
    equal({ code, reason }, { code: 1000, reason: 'connected' });
    await foreign.until(() => foreign.state === 'connected');
    await Promise.all([join(guest, room), join(house, room)]);
    await native.talk();
    let heard = 0;
    const begun = performance.now();
    await foreign.until(async () => {
      heard += (await native.take()).filter(({ from }) => from !== SILENCE).length;
      const late = performance.now() - begun > PATIENCE_MS;
      if (late) throw new Error(`of it ${heard} packets were heard, and it received ${foreign.received}`);
      return heard >= ENOUGH && foreign.received >= ENOUGH;
    });
  } finally {
    foreign.end();
    await native.end();
  }
}

const wanted = process.env['FOREIGN']?.split(' ') ?? Object.keys(CLIENTS);
const required = (process.env['REQUIRE_FOREIGN'] ?? '').split(' ');
const hasAddress = Object.values(networkInterfaces()).some((all) => all?.some(({ internal }) => !internal));
for (const [client, { needs, command, needsAddress = false }] of Object.entries(CLIENTS)) {
  if (!wanted.includes(client.split(' ')[0]!)) continue;
  for (const [offer, shape] of Object.entries(OFFERS)) {
    const name = `${client} connects, is heard and hears with ${offer}`;
    if (BEYOND_US[client]?.includes(offer) === true) test.skip(name, `not for ${client}: test/foreign/README.md`);
    else if (needsAddress && !hasAddress) test.skip(name, `${client} needs an address beside loopback`);
    else if (existsSync(needs) || required.includes(client.split(' ')[0]!)) test(name, () => meet(command, shape), 30);
    else test.skip(name, `${client} not installed: test/foreign/install ${client}`);
  }
}

test('the server and the clients end', async () => {
  host.kill();
  await (await server()).stop();
});

test.run();
