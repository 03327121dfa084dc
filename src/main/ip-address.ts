/** Tells kinds of IP addresses apart. Pure. */
import { BlockList, isIP, isIPv6 } from 'node:net';

const nowhere = new BlockList();
for (const [net, prefix] of [
  ['0.0.0.0', 8], // this network: RFC 1122
  ['10.0.0.0', 8], // private: RFC 1918
  ['100.64.0.0', 10], // behind a carrier's NAT: RFC 6598
  ['127.0.0.0', 8], // loopback: RFC 1122
  ['169.254.0.0', 16], // link-local: RFC 3927
  ['172.16.0.0', 12], // private: RFC 1918
  ['192.168.0.0', 16], // private: RFC 1918
] as const) {
  nowhere.addSubnet(net, prefix, 'ipv4');
}
for (const [net, prefix] of [
  ['::', 127], // unspecified and loopback: RFC 4291
  ['fc00::', 7], // unique local: RFC 4193
  ['fe80::', 10], // link-local: RFC 4291
  ['fec0::', 10], // site-local, deprecated: RFC 3879
] as const) {
  nowhere.addSubnet(net, prefix, 'ipv6');
}

/**
 * Whether a text is an IP address without a zone (RFC 4007, section 11), so that it means the same on every machine.
 */
export function isAddress(text: string): boolean {
  return isIP(text) !== 0 && !text.includes('%');
}

/** Whether a host is this machine alone: `localhost`, or an address of it that nobody else reaches. */
export function isLoopback(host: string | undefined): boolean {
  if (host === undefined) return false;
  const v4 = host.replace(/^::ffff:(?=[\d.]+$)/i, '');
  return host === 'localhost' || host === '::1' || (isIP(v4) === 4 && v4.startsWith('127.'));
}

/** Whether an IP address without a zone is valid only on this machine or in its own network. */
export function isPrivate(address: string): boolean {
  return nowhere.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}
