/** Puts a size into words. */
import type { Demand, Size } from './size.ts';

/** Where one instance ends and a cluster begins. */
const CLUSTER = 'docs/cluster.md';

export function describeSize(demand: Demand, size: Size): string[] {
  const { rooms, speakers, listeners, slots, ptime } = demand;
  const { connections, packets, bits, cores, instances, each } = size;
  const rows: [string, string][] = [
    ['Connections', whole(connections)],
    ['Packets a second', `${whole(packets.received)} in, ${whole(packets.sent)} out`],
    ['Bandwidth', `${mega(bits.received)} in, ${mega(bits.sent)} out (${mega(bits.redSent)} with RED=both)`],
    ['CPU', `${cores.toFixed(1)} cores in all`],
    ['Instances', instances === 1 ? '1' : `${instances}, as a cluster (${CLUSTER})`],
    ['Each instance', `${whole(each.connections)} connections, main thread ${percent(each.main)}`],
    ['  cores', `${Math.max(2, Math.ceil(each.cores))} (${each.cores.toFixed(1)} busy)`],
    ['  memory', `${whole(each.memoryMiB)} MiB, and as much again for a restart of another instance`],
    ['  MEDIA_PORTS', `${each.mediaPorts} ports`],
    ['  net.core.rmem_max', `${whole(each.receiveBuffer)} bytes, if the default (212,992) is less`],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return [
    `${whole(rooms)} × (${whole(speakers)} who talk at a time + ${whole(listeners)} who listen), ${slots} slots, ${ptime} ms a packet`,
    ...rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`),
    'By the upper ends of what bench/README.md measured on two cores of a virtual machine. Measure yours: npm run bench:room',
  ];
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

function mega(bits: number): string {
  return `${(bits / 1e6).toFixed(1)} Mbit/s`;
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
