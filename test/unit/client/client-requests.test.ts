/** What the browser client asks for by plain HTTP, and what it refuses to ask. */
import { equal, is, match } from 'uvu/assert';
import type { VoiceError } from '../../../client/src/errors.ts';
import { importClientPart } from '../../support/client-part.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('client requests');
const URL_BASE = 'https://example.org/webrtc';

interface Endpoint {
  readonly url: string;
  readonly token?: string | (() => string | Promise<string>);
}

const { changeMembership, explainRefusal } = await importClientPart<{
  changeMembership(api: Endpoint, method: string, conversation: string, signal: AbortSignal): Promise<void>;
  explainRefusal(api: Endpoint, signal: AbortSignal): Promise<VoiceError>;
}>('http.ts');

/** Requests that are made while `body` runs; each is answered with 200. */
async function requestsOf(body: () => Promise<unknown>): Promise<{ url: string; init: RequestInit }[]> {
  const made: { url: string; init: RequestInit }[] = [];
  const { fetch } = globalThis;
  globalThis.fetch = async (url, init = {}) => {
    made.push({ url: String(url), init });
    return new Response();
  };
  try {
    await body();
  } finally {
    globalThis.fetch = fetch;
  }
  return made;
}

async function failureOf(promise: Promise<unknown>): Promise<VoiceError> {
  try {
    await promise;
  } catch (error) {
    return error as VoiceError;
  }
  throw new Error('did not fail');
}

const never = (): AbortSignal => new AbortController().signal;

test('cookies go along only where there is no token', async () => {
  const tokens: [Endpoint['token'], string][] = [
    ['secret', 'omit'],
    ['', 'omit'],
    [() => 'secret', 'omit'],
    [async () => 'secret', 'omit'],
    [undefined, 'include'],
  ];
  for (const [token, credentials] of tokens) {
    const api: Endpoint = token === undefined ? { url: URL_BASE } : { url: URL_BASE, token };
    const made = await requestsOf(async () => {
      await changeMembership(api, 'POST', 'attic', never());
      await changeMembership(api, 'DELETE', 'attic', never());
      await explainRefusal(api, never());
    });
    equal(
      made.map(({ init }) => init.credentials),
      [credentials, credentials, credentials],
      String(token),
    );
    is(new URL(made[2]!.url).searchParams.get('token'), token === undefined ? null : token === '' ? '' : 'secret');
  }
});

test('an id that a URL would take for something else is refused before anything is asked', async () => {
  const asked: string[] = [];
  const api: Endpoint = {
    url: URL_BASE,
    token: () => {
      asked.push('token');
      return 'secret';
    },
  };
  const reasons: [string, RegExp][] = [
    ['.', /dot segment/],
    ['..', /dot segment/],
    ['', /is empty/],
    ['\ud800', /surrogate/],
    ['a\udc00b', /surrogate/],
  ];
  const made = await requestsOf(async () => {
    for (const method of ['POST', 'DELETE'] as const) {
      for (const [id, why] of reasons) {
        const error = await failureOf(changeMembership(api, method, id, never()));
        equal([error.name, error.code], ['VoiceError', 'bad-conversation'], id);
        is(error.retryable, false, id);
        match(error.message, why);
      }
    }
  });
  equal(made, []);
  equal(asked, []);
});

test('any other id arrives as it is', async () => {
  const ids = ['...', '.a', '..a', '%2e%2e', '%2E', '/', '../x', '\\..', '?', '#', ' ', '\t.', 'é😀', '\0', ';'];
  const made = await requestsOf(async () => {
    for (const id of ids) await changeMembership({ url: URL_BASE }, 'POST', id, never());
  });
  equal(
    made.map(({ url }) =>
      decodeURIComponent(/^https:\/\/example\.org\/webrtc\/join\/([^/?#]+)$/.exec(new URL(url).href)![1]!),
    ),
    ids,
  );
});

test('a token that no header can carry is named as the fault, and not tried again', async () => {
  for (const token of ['ключ', 'a\nb']) {
    const made = await requestsOf(async () => {
      const error = await failureOf(changeMembership({ url: URL_BASE, token }, 'POST', 'attic', never()));
      equal([error.code, error.retryable], ['unauthorized', false]);
    });
    equal(made, []);
  }
});

test('a url that is none is not asked again and again', async () => {
  const error = await failureOf(changeMembership({ url: 'http://' }, 'POST', 'attic', never()));
  is(error.code, 'unreachable');
  is(error.retryable, false);
});

test.run();
