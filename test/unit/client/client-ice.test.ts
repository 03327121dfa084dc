/** The configuration of each attempt of the browser client: the application's, and the TURN servers of the service. */
import { equal, is, match, ok } from 'uvu/assert';
import type { VoiceError } from '../../../client/src/errors.ts';
import { importClientPart } from '../../support/client-part.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('client ice');
const NAMED = { urls: ['turn:turn.example.org'], username: '1:ann', credential: 'secret' };
const OWN = { urls: 'stun:stun.example.org' };

interface Options {
  readonly url: string;
  readonly token?: string | (() => string | Promise<string>);
  readonly rtc?: RTCConfiguration | (() => RTCConfiguration | Promise<RTCConfiguration>);
  readonly attemptTimeout?: number;
}

/** The parts of the browser's types that are seen here. */
interface RTCConfiguration {
  readonly iceServers?: readonly object[];
  readonly iceTransportPolicy?: string;
}

const { configurationFor } = await importClientPart<{
  configurationFor(options: Options, signal: AbortSignal): Promise<RTCConfiguration>;
}>('ice.ts');

const globals = globalThis as Record<string, unknown>;
/** Takes what Chromium and Firefox take. */
globals['RTCPeerConnection'] = class {
  constructor({ iceServers }: { iceServers: { urls: unknown }[] }) {
    for (const { urls } of iceServers) {
      if (![urls].flat().every((url) => /^(stun|turns?):/.test(String(url))))
        throw new SyntaxError('not a TURN server');
    }
  }
  close(): void {}
};

interface Asked {
  readonly url: string;
  readonly authorization: string | null;
}

/** Configures an attempt while `/ice` answers in this way. */
async function configure(
  answer: (nth: number) => Response | Promise<Response>,
  options: Omit<Options, 'url'> = {},
  signal = new AbortController().signal,
): Promise<{ configuration: RTCConfiguration; asked: Asked[] }> {
  const asked: Asked[] = [];
  const { fetch } = globalThis;
  globalThis.fetch = async (url, { headers } = {}) => {
    asked.push({ url: String(url), authorization: new Headers(headers).get('Authorization') });
    return answer(asked.length);
  };
  try {
    return { configuration: await configurationFor({ url: 'https://example.org/webrtc', ...options }, signal), asked };
  } finally {
    globalThis.fetch = fetch;
  }
}

async function failureOf(promise: Promise<unknown>): Promise<VoiceError> {
  return promise.then(
    () => {
      throw new Error('did not fail');
    },
    (error: VoiceError) => error,
  );
}

const naming = (): Response => Response.json({ iceServers: [NAMED] });
const never = (): Promise<never> => new Promise(() => undefined);

test('the servers that the service names are added to the application’s own', async () => {
  const policy = { iceTransportPolicy: 'relay' };
  const { configuration, asked } = await configure(naming, { token: 'secret', rtc: { ...policy, iceServers: [OWN] } });
  equal(configuration, { ...policy, iceServers: [OWN, NAMED] });
  equal(asked, [{ url: 'https://example.org/webrtc/ice', authorization: 'Bearer secret' }]);
  equal((await configure(naming)).configuration, { iceServers: [NAMED] });
});

test('each attempt asks anew, and has nothing of the one before', async () => {
  const first = await configure(naming);
  const second = await configure(() => Response.json({ iceServers: [{ ...NAMED, username: '2:ann' }] }));
  const third = await configure(() => new Response(null, { status: 503 }));
  equal(
    [first, second, third].map(({ asked }) => asked.length),
    [1, 1, 1],
  );
  equal(second.configuration.iceServers, [{ ...NAMED, username: '2:ann' }]);
  equal(third.configuration.iceServers, []);
});

test('an attempt is made without them whatever else the service answers, and where it does not', async () => {
  const answers: (() => Response | Promise<Response>)[] = [
    () => Response.json({ type: 'about:blank', status: 404 }, { status: 404 }),
    () => new Response(null, { status: 404 }),
    () => Response.json({ iceServers: [NAMED] }, { status: 401 }),
    () => new Response('<!doctype html>'),
    () => Response.json(null),
    () => Response.json({}),
    () => Response.json({ iceServers: 'turn:turn.example.org' }),
    () => Response.json({ iceServers: [null] }),
    () => Response.json({ iceServers: [{ urls: 'https://turn.example.org' }] }),
    () => Promise.reject(new TypeError('Failed to fetch')),
  ];
  for (const answer of answers) {
    const { configuration } = await configure(answer, { rtc: { iceServers: [OWN] } });
    equal(configuration.iceServers, [OWN], String(answer));
  }
  const noToken = (): never => {
    throw new Error('no token');
  };
  equal((await configure(naming, { token: noToken })).configuration.iceServers, []);
});

test('a network that changes meanwhile does not cost the servers', async () => {
  const { configuration, asked } = await configure((nth) => {
    if (nth === 1) throw new TypeError('Failed to fetch');
    return naming();
  });
  equal(configuration.iceServers, [NAMED]);
  is(asked.length, 2);
});

test('a service that does not answer costs a part of the attempt’s time, and no more', async () => {
  const begun = performance.now();
  equal((await configure(never, { attemptTimeout: 200 })).configuration.iceServers, []);
  const taken = performance.now() - begun;
  ok(taken > 90 && taken < 1500, `${taken} ms`);
});

test('the application’s function is called for each attempt and awaited', async () => {
  let calls = 0;
  const rtc = async (): Promise<RTCConfiguration> => ({ iceServers: [{ ...OWN, nth: ++calls }] });
  for (const nth of [1, 2]) {
    equal((await configure(naming, { rtc })).configuration.iceServers, [{ ...OWN, nth }, NAMED]);
  }
});

test('no attempt is made without what the application’s function is to return, but there may be another', async () => {
  const rtc = (): never => {
    throw new Error('the backend is away');
  };
  const error = await failureOf(configure(naming, { rtc }));
  equal([error.code, error.retryable], ['unreachable', true]);
  match(error.message, 'The rtc function failed: the backend is away.');
});

test('a closed client waits for nobody', async () => {
  const aborter = new AbortController();
  const failed = failureOf(configure(never, { rtc: never }, aborter.signal));
  aborter.abort();
  is((await failed).code, 'superseded');
});

test.run();
