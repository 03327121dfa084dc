/** What the kernel tells of sockets: made-up tables, as proc_pid_net(5) describes them, and real buffers. */
import { equal, is, match, ok } from 'uvu/assert';
import { SocketDrops, warnOfSmallBuffers } from '../../../src/main/media/socket-buffers.ts';
import { recordLog } from '../../support/log-record.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('socket buffers');
const HEADER =
  '   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops';

/** A line of `/proc/net/udp`. */
function line(address: string, port: number, inode: string, drops: number | string): string {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  return `  529: ${address}:${hex} 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 ${inode} 2 00000000a1b2c3d4 ${drops}`;
}

function counting(udp: string | null, udp6: string | null): SocketDrops {
  return new SocketDrops([40_000, 40_001], new Set(['11', '12', '13']), (path) => (path.endsWith('6') ? udp6 : udp));
}

test('the drops of the own media ports are added up, whatever else has the same port or inode', () => {
  const udp = [
    HEADER,
    line('0100007F', 40_000, '11', 3),
    line('0100007F', 40_001, '12', 0),
    line('0200007F', 40_000, '99', 50),
    line('0100007F', 5353, '13', 70),
    '',
  ].join('\n');
  is(counting(udp, null).count(), 3);
  const udp6 = [HEADER, line('00000000000000000000000000000000', 40_000, '11', 7)].join('\n');
  is(counting(udp, udp6).count(), 10);
});

test('what the system does not tell is not taken for none', () => {
  is(counting(null, null).count(), null);
  is(counting(HEADER, HEADER).count(), null);
  is(counting(line('0100007F', 40_000, '11', ''), null).count(), null);
  is(counting('\0 : : :\n\n:9C40', '%%%').count(), null);
});

test('a buffer smaller than wanted is told, with what the kernel grants', async () => {
  const { log, lines } = recordLog();
  await warnOfSmallBuffers(log, 1000);
  equal(lines, []);
  await warnOfSmallBuffers(log, 2 ** 30);
  if (process.platform !== 'linux') return;
  is(lines.length, 1);
  match(JSON.stringify(lines), /net\.core\.rmem_max/);
  ok(Number(/"granted":(\d+)/.exec(JSON.stringify(lines))?.[1]) > 4096);
});

test.run();
