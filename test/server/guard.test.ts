import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { is, match } from 'uvu/assert';
import { scenarios } from '../support/scenario.ts';

const test = scenarios('guard of the hot path');
const GUARD = fileURLToPath(new URL('../../bench/guard.js', import.meta.url));
const CASES = ['rewrite', 'ring', '300 slots'];

function guard(environment: Record<string, string> = {}): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [GUARD, ...CASES], { env: { ...process.env, ...environment } });
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    child.once('exit', (code) => resolve({ code, output }));
  });
}

test('it is quiet while another process keeps a core busy', async () => {
  const busy = spawn(process.execPath, ['-e', 'for(;;);']);
  try {
    const { code, output } = await guard();
    is(code, 0, output);
  } finally {
    busy.kill('SIGKILL');
  }
}, 90);

test('it fails when the packet path does its work three times', async () => {
  const { code, output } = await guard({ GUARD_SLOWDOWN: '3' });
  is(code, 1, output);
  for (const name of CASES) match(output, new RegExp(`OVER .*${name}`));
}, 90);

test.run();
