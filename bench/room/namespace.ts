/** A network namespace for the benchmark, in which the kernel may drop what the sinks would only throw away. */
import { execFileSync, spawnSync } from 'node:child_process';

/** UDP ports of the clients that are sinks. */
export const SINK_PORTS: readonly [number, number] = [20_000, 29_999];
const MARK = 'BENCH_ROOM_NAMESPACE';

export function inNamespace(): boolean {
  return process.env[MARK] === '1';
}

/** Runs this program again in a namespace of its own and ends with its exit code. @throws Error if that cannot be. */
export function canSink(): never {
  const command = 'ip link set lo up && exec "$@"';
  const again = [process.execPath, ...process.argv.slice(1)];
  const { status, error } = spawnSync('unshare', ['--net', 'sh', '-c', command, 'sh', ...again], {
    stdio: 'inherit',
    env: { ...process.env, [MARK]: '1' },
  });
  if (error !== undefined) throw new Error(`--sinks wants Linux with unshare, ip and nft, and root: ${error.message}`);
  process.exit(status ?? 1);
}

/**
 * Drops RTP and RTCP on its way to the sinks, behind the sending and the receiving half of the network stack, where a
 * full socket buffer would drop it: first payload bits 10 (RFC 7983). STUN and DTLS pass, so that the sinks stand.
 */
export function sinkPackets(): void {
  const rules = `table inet sinks { chain input { type filter hook input priority 0;
    udp dport ${SINK_PORTS[0]}-${SINK_PORTS[1]} @th,64,2 2 drop
  }
}`;
  try {
    execFileSync('nft', ['-f', '-'], { input: rules, stdio: ['pipe', 'inherit', 'inherit'] });
  } catch {
    throw new Error('--sinks wants nft (Debian: nftables) and root');
  }
}
