/** Which of a machine's addresses others in its network reach. Pure. */
import { isIPv6 } from 'node:net';
import type { NetworkInterfaceInfo } from 'node:os';
import { isPrivate } from '../src/main/ip-address.ts';

/** Names of interfaces that lead to containers, virtual machines and tunnels, on Linux, macOS and Windows. */
const VIRTUAL =
  /^(docker|br-|veth|virbr|vmnet|vboxnet|lxc|cni|flannel|cali|tun|tap|utun|wg|tailscale|zt|ppp|ham|bridge|awdl|llw|vEthernet)/i;

export type Interfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>;

export interface LanAddress {
  readonly address: string;
  /** Addresses that would do, too. */
  readonly others: readonly string[];
}

/**
 * Returns the address to listen on: the wanted one, or the one that a phone in the same network most likely reaches.
 *
 * @param wanted one of this machine's addresses; null to choose.
 * @throws Error that says what to do if there is no such address.
 */
export function chooseAddress(wanted: string | null, interfaces: Interfaces): LanAddress {
  const found = outwardAddresses(interfaces);
  if (wanted !== null) {
    const address = wanted.replace(/^\[(.*)\]$/, '$1').toLowerCase();
    if (found.includes(address)) return { address, others: [] };
    throw new Error(`--lan is ${JSON.stringify(wanted)}, which is not an address of this machine: ${listed(found)}`);
  }
  const [address, ...others] = found.filter(isPrivate);
  if (address !== undefined) return { address, others };
  if (found.length === 0) {
    throw new Error(
      'this machine has no address in a network: connect it to one, such as a Wi-Fi or the hotspot of a phone. ' +
        'Without --lan the demo works on this machine alone.',
    );
  }
  throw new Error(
    'this machine has public addresses only, at which the whole internet could use the demo under any name. ' +
      `If that is what you want, name one: --lan ${found[0]}. ${listed(found)}`,
  );
}

/** Returns an address as a URL's host. */
export function hostOf(address: string): string {
  return isIPv6(address) ? `[${address}]` : address;
}

/** Returns the addresses that others can reach, the likeliest first. */
function outwardAddresses(interfaces: Interfaces): string[] {
  const ranked = Object.entries(interfaces).flatMap(([name, infos = []]) =>
    infos
      // A link-local IPv6 address is none without a zone, which browsers do not understand.
      .filter(({ internal, address }) => !internal && !/^fe[89ab]/i.test(address))
      .map(({ address }) => ({ address, rank: rankOf(name, address) })),
  );
  return ranked.sort((one, other) => one.rank - other.rank).map(({ address }) => address);
}

/** Returns how unlikely it is that a phone reaches the address: IPv4 of a card first, then of a tunnel, then IPv6. */
function rankOf(name: string, address: string): number {
  return (isIPv6(address) ? 4 : 0) + (address.startsWith('169.254.') ? 2 : 0) + (VIRTUAL.test(name) ? 1 : 0);
}

function listed(addresses: readonly string[]): string {
  return addresses.length === 0 ? 'it has none in a network.' : `It has ${addresses.join(', ')}.`;
}
