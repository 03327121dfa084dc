/** Text from clients cannot control the terminal of its reader. */
import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { request } from 'undici';
import { is, match, ok } from 'uvu/assert';
import { visible, visibleJson, visibleOnceRead } from '../../src/main/visible.ts';
import { scenarios } from '../support/scenario.ts';
import { freeUdpPort, startServer } from '../support/server.ts';

const test = scenarios('visible');

/** Examples of each kind: C0, DEL, C1, directions, separators, zero width, tags, Hangul fillers, lone surrogates. */
const UNSEEN = [
  ...[0x00, 0x07, 0x08, 0x0d, 0x1b, 0x7f, 0x80, 0x85, 0x90, 0x9b, 0x9d, 0x9f, 0xad],
  ...[0x61c, 0x200e, 0x200f, 0x202a, 0x202e, 0x2066, 0x2069, 0x2028, 0x2029],
  ...[0x34f, 0x115f, 0x180e, 0x200b, 0x200d, 0x2060, 0x206f, 0x3164, 0xfe0f, 0xfeff, 0xffa0, 0xfffb],
  ...[0xe0001, 0xe0041, 0xe007f, 0xe0100, 0xd800, 0xdfff],
].map((code) => String.fromCodePoint(code));
const SEEN = ['plain', 'Zoë', '李雷', 'שלום', 'مرحبا', '😀', 'a\nb\tc', 'back\\slash \\u009b'];

test('invisible characters are escaped, and the rest is unchanged', () => {
  for (const character of UNSEEN) {
    match(visible(`a${character}b`), /^a(?:\\u[\da-f]{4}){1,2}b$/);
    const json = JSON.stringify({ [character]: `a${character}b` });
    is(JSON.stringify(JSON.parse(visibleJson(json))), json, 'the same value');
  }
  for (const text of SEEN) is(visible(text), text);
});

test('JSON that is read and shown afterwards shows the escapes', () => {
  for (const character of UNSEEN) {
    const { it } = JSON.parse(visibleOnceRead(JSON.stringify({ it: `a${character}b` })));
    match(it, /^a(?:\\u[\da-f]{4}|\\[bfr]){1,2}b$/);
  }
  for (const text of SEEN) is(JSON.parse(visibleOnceRead(JSON.stringify(text))), text);
  is(JSON.parse(visibleOnceRead(JSON.stringify('\\\u009b\\\\\u001b'))), '\\\\u009b\\\\\\u001b');
});

/** Raw characters that no terminal and no reader may get. */
const HARMFUL = /[\u0080-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\u{e0000}-\u{e0fff}]/u;
const NAME = 'ann\u009b2J\u202egnp\u2066\u200b\u2028\u{e0041}\u001b[2J\u0007';
/** A claim with these characters as backslash escapes, as a header carries it. */
const CLAIM = JSON.stringify({ userid: NAME, clientid: NAME }).replace(
  /[\u007f-\uffff]/g,
  (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
);
/** An id of a conversation may contain none of the first set. */
const ROOM = encodeURIComponent(`room${NAME}`.replace(/[^ -\u{fffff}]/gu, ''));

test('the log and the answers for operators are JSON without such characters', async () => {
  const server = await startServer();
  is(
    (await request(`${server.url}/join/${ROOM}`, { method: 'POST', headers: { 'X-User-Claim': CLAIM } })).statusCode,
    200,
  );
  const joined = await server.logged('"msg":"joined"');
  ok(!HARMFUL.test(joined), joined);
  is(JSON.parse(joined).userid, NAME);
  for (const path of ['/conversations', `/conversations/${ROOM}`, `/conversations/${ROOM}x`]) {
    const { body } = await request(`${server.adminUrl}${path}`);
    const text = await body.text();
    ok(!HARMFUL.test(text), text);
    JSON.parse(text);
  }
  is(await server.stop(), 0);
});

const MAIN = fileURLToPath(new URL('../../src/main/main.js', import.meta.url));
const onTerminal = 'the log on a terminal shows the escapes';
if (spawnSync('script', ['--version']).status !== 0) test.skip(onTerminal, '`script` is not installed');
else
  test(onTerminal, async () => {
    const child = spawn('script', ['-qefc', `exec "${process.execPath}" "${MAIN}"`, '/dev/null'], {
      env: {
        ...process.env,
        LISTEN: '127.0.0.1:0',
        ADMIN_LISTEN: '',
        MEDIA_BIND: '127.0.0.1',
        MEDIA_PORTS: String(await freeUdpPort()),
        WORKERS: '1',
        DRAIN_TIMEOUT_MS: '0',
        TERM: 'xterm',
      },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const exited = new Promise((resolve) => child.once('exit', resolve));
    let shown = '';
    const shows = (part: RegExp): Promise<RegExpExecArray> =>
      new Promise((resolve) => {
        const look = (): void => {
          const found = part.exec(shown);
          if (found !== null) resolve(found);
        };
        child.stdout.setEncoding('utf8').on('data', look);
        look();
      });
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      shown += chunk;
    });
    const [, port] = await shows(/listening[\s\S]*?port\S*: (\d+)/);
    await request(`http://127.0.0.1:${port}/join/${ROOM}`, { method: 'POST', headers: { 'X-User-Claim': CLAIM } });
    await shows(/joined[\s\S]*conversation[^\n]*\n/);
    // SIGINT twice, as Ctrl-C would: the second one ends conversations.
    child.stdin.write('\u0003');
    await exited;
    const text = stripVTControlCharacters(shown).replaceAll('^C', '');
    ok(!HARMFUL.test(text) && !/\p{Cc}/u.test(text.replace(/[\r\n\t]/g, '')), JSON.stringify(text));
    ok(
      text.includes('ann\\u009b2J\\u202egnp\\u2066\\u200b\\u2028\\udb40\\udc41\\u001b[2J\\u0007'),
      JSON.stringify(text),
    );
  });

test.run();
