/** The ids of requests, given by a proxy or made. */
import { equal, is, match, ok } from 'uvu/assert';
import { closeReason, problemResponse, RequestError } from '../../../src/main/errors.ts';
import { requestIdOf } from '../../../src/main/request-id.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('request ids');

const idOf = (given: string | undefined): string =>
  requestIdOf({ headers: given === undefined ? {} : { 'x-request-id': given } });

test('an id of the proxy is taken as it is', () => {
  for (const id of ['a', '7f3c0d2e4b5a69788796a5b4c3d2e1f0', 'A-Z_a.z-09', 'x'.repeat(64)]) is(idOf(id), id);
});

test('without one, or with one that could confuse a log, a new one is made', () => {
  const bad = [undefined, '', 'x'.repeat(65), 'a b', 'a, b', 'ä', 'a\n', '"', '{}', '[x]'];
  const made = bad.map(idOf);
  for (const id of made) match(id, /^[\w-]{12}$/);
  is(new Set(made).size, bad.length);
});

test('a close reason ends with the id if there is room for it, and is otherwise what it was', () => {
  is(closeReason('no-offer', 'within 5 ms', 'r-7'), 'no offer in time: within 5 ms [r-7]');
  is(closeReason('no-offer'), 'no offer in time');
  const id = 'x'.repeat(64);
  for (let length = 0; length < 130; length++) {
    const detail = 'd'.repeat(length);
    const reason = closeReason('internal', detail, id);
    ok(reason.length <= 123);
    const fits = `internal error: ${detail}`.length + 67 <= 123;
    is(reason.endsWith(`[${id}]`), length === 0 || fits, reason);
    if (!fits && length > 0) is(reason, closeReason('internal', detail));
  }
});

test('a problem has the id of its request, and none if it was no request', () => {
  const error = new RequestError('full', 'All are in use.');
  equal(JSON.parse(problemResponse(error, 'r-7').body), {
    ...{ type: 'about:blank', title: 'The server is full', status: 503, detail: 'All are in use.', requestid: 'r-7' },
  });
  is('requestid' in JSON.parse(problemResponse(error).body), false);
});

test.run();
