/** A network namespace for a benchmark, in which the kernel may drop the clients' packets. */
import { execFileSync, spawnSync } from 'node:child_process';

/** UDP ports of those clients that are sinks, first and last. */
export const SINK_PORTS: readonly [number, number] = [20_000, 29_999];
const MARK = 'BENCH_NAMESPACE';

export function inNamespace(): boolean {
  return process.env[MARK] === '1';
}

/**
 * Runs this program again in its own namespace, and exits with that run's exit code.
 *
 * @param what names the option or program that needs the namespace.
 * @throws Error if it cannot create one.
 */
export function enterNamespace(what: string): never {
  const command = 'ip link set lo up && exec "$@"';
  const again = [process.execPath, ...process.argv.slice(1)];
  const { status, error } = spawnSync('unshare', ['--net', 'sh', '-c', command, 'sh', ...again], {
    stdio: 'inherit',
    env: { ...process.env, [MARK]: '1' },
  });
  if (error !== undefined) throw new Error(`${what} needs Linux with unshare, ip and nft, and root: ${error.message}`);
  process.exit(status ?? 1);
}

/**
 * Drops RTP and RTCP on its way to the sinks: UDP payloads whose first bits are 10 (RFC 7983). They pass the sending
 * and the receiving half of the network stack and are dropped where a full socket buffer would drop them. STUN and DTLS
 * pass, so that the sinks stay connected.
 */
export function sinkPackets(): void {
  filter(`udp dport ${SINK_PORTS[0]}-${SINK_PORTS[1]} @th,64,2 2 drop`);
}

/**
 * Drops this percentage of the RTP and RTCP packets to or from a port from now on, each one independently at random.
 */
export function losePackets(way: 'to' | 'from', port: number, percent: number): void {
  const field = way === 'to' ? 'dport' : 'sport';
  filter(percent === 0 ? '' : `udp ${field} ${port} @th,64,2 2 numgen random mod 100 < ${percent} drop`);
}

/** Replaces the filter by this rule, in nft's syntax. */
function filter(rule: string): void {
  const table = `table inet bench { chain input { type filter hook input priority 0;
    ${rule}
  }
}`;
  try {
    const input = `table inet bench {}\ndelete table inet bench\n${table}`;
    execFileSync('nft', ['-f', '-'], { input, stdio: ['pipe', 'inherit', 'inherit'] });
  } catch {
    throw new Error('dropping packets needs nft (Debian: nftables) and root');
  }
}
