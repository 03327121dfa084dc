/**
 * What the kernel grants the media sockets as receive buffers, and the datagrams it drops because a buffer is full. Nothing
 * else tells of these: to clients they look like loss on the way.
 *
 * Linux alone tells both; see socket(7), and proc_pid_net(5) for `/proc/net/udp`.
 */
import { createSocket } from 'node:dgram';
import { readdirSync, readlinkSync } from 'node:fs';
import { type ReadFile, readText } from '../cgroup.ts';
import type { Log } from '../log/log.ts';

/** What libjuice asks for, bytes. */
const WANTED_BYTES = 1_048_576;
/** The kernel doubles what is asked for, because its own bookkeeping is in the buffer, too. */
const KERNEL_FACTOR = 2;
const TABLES = ['/proc/self/net/udp', '/proc/self/net/udp6'] as const;
/** Columns of the tables. */
const Column = { Local: 1, Inode: 9, Drops: 12 } as const;

/** Says so if the media sockets' receive buffers are smaller than they should be. */
export async function warnOfSmallBuffers(log: Log, wanted = WANTED_BYTES): Promise<void> {
  const granted = await grantedBytes(wanted);
  if (granted === null || granted >= wanted) return;
  log.warn(
    { granted, wanted },
    'the receive buffers of the media ports are small: bursts of packets may be lost; raise net.core.rmem_max of the host',
  );
}

/** Returns the size of a receive buffer that the kernel grants, bytes; null if it does not tell. */
async function grantedBytes(wanted: number): Promise<number | null> {
  if (process.platform !== 'linux') return null;
  const socket = createSocket('udp4');
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind({ port: 0, address: '127.0.0.1', exclusive: true }, resolve);
    });
    socket.setRecvBufferSize(wanted);
    return socket.getRecvBufferSize() / KERNEL_FACTOR;
  } catch {
    return null;
  } finally {
    socket.close();
  }
}

/** Counts what the kernel drops at this process's sockets of some UDP ports. */
export class SocketDrops {
  private readonly ports: ReadonlySet<number>;
  private readonly inodes: ReadonlySet<string>;
  private readonly read: ReadFile;

  /** @param ports must be open. @param inodes of this process's sockets. */
  constructor(ports: readonly number[], inodes = socketInodes(), read: ReadFile = readText) {
    this.ports = new Set(ports);
    this.inodes = inodes;
    this.read = read;
  }

  /** Returns the number of datagrams dropped since the ports were opened; null if the system does not tell. */
  count(): number | null {
    let found = 0;
    let drops = 0;
    for (const table of TABLES) {
      for (const line of (this.read(table) ?? '').split('\n')) {
        const columns = line.trim().split(/\s+/);
        const port = Number.parseInt(columns[Column.Local]?.split(':')[1] ?? '', 16);
        if (!this.ports.has(port) || !this.inodes.has(columns[Column.Inode]!)) continue;
        found++;
        drops += Number(columns[Column.Drops]);
      }
    }
    return found > 0 && Number.isFinite(drops) ? drops : null;
  }
}

/** Returns the inodes of all sockets that this process has open now. */
function socketInodes(): Set<string> {
  const inodes = new Set<string>();
  try {
    for (const name of readdirSync('/proc/self/fd')) {
      const inode = inodeOf(`/proc/self/fd/${name}`);
      if (inode !== null) inodes.add(inode);
    }
  } catch {
    // No Linux.
  }
  return inodes;
}

function inodeOf(link: string): string | null {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(link))?.[1] ?? null;
  } catch {
    // It was closed meanwhile.
    return null;
  }
}
