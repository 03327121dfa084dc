/** A network namespace for a benchmark, in which the kernel may drop packets of its clients. */
import { execFileSync, spawnSync } from 'node:child_process';

/** UDP ports of the clients that are sinks. */
export const SINK_PORTS: readonly [number, number] = [20_000, 29_999];
const MARK = 'BENCH_NAMESPACE';

export function inNamespace(): boolean {
  return process.env[MARK] === '1';
}

/**
 * Runs this program again in a namespace of its own and ends with its exit code.
 *
 * @param what wants it. @throws Error if that cannot be.
 */
export function enterNamespace(what: string): never {
  const command = 'ip link set lo up && exec "$@"';
  const again = [process.execPath, ...process.argv.slice(1)];
  const { status, error } = spawnSync('unshare', ['--net', 'sh', '-c', command, 'sh', ...again], {
    stdio: 'inherit',
    env: { ...process.env, [MARK]: '1' },
  });
  if (error !== undefined) throw new Error(`${what} wants Linux with unshare, ip and nft, and root: ${error.message}`);
  process.exit(status ?? 1);
}

/**
 * Drops RTP and RTCP on its way to the sinks, behind the sending and the receiving half of the network stack, where a
 * full socket buffer would drop it: first payload bits 10 (RFC 7983). STUN and DTLS pass, so that the sinks stand.
 */
export function sinkPackets(): void {
  filter(`udp dport ${SINK_PORTS[0]}-${SINK_PORTS[1]} @th,64,2 2 drop`);
}

/** From now on so many per cent of the RTP and RTCP to or from a port are lost, each packet by chance of its own. */
export function losePackets(way: 'to' | 'from', port: number, percent: number): void {
  const field = way === 'to' ? 'dport' : 'sport';
  filter(percent === 0 ? '' : `udp ${field} ${port} @th,64,2 2 numgen random mod 100 < ${percent} drop`);
}

/** Puts this rule, in nft's words, in the place of the one before. */
function filter(rule: string): void {
  const table = `table inet bench { chain input { type filter hook input priority 0;
    ${rule}
  }
}`;
  try {
    const input = `table inet bench {}\ndelete table inet bench\n${table}`;
    execFileSync('nft', ['-f', '-'], { input, stdio: ['pipe', 'inherit', 'inherit'] });
  } catch {
    throw new Error('dropping packets wants nft (Debian: nftables) and root');
  }
}
