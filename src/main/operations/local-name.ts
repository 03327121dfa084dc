/** Which names of a host no web page can have. Pure. */
import { isIP } from 'node:net';

/** Names below these are given out by no registry (RFC 6761, RFC 6762; .internal is reserved by ICANN for private use). */
const PRIVATE = /\.(?:localhost|local|internal)$/;

/**
 * Whether the name in a `Host` header is an address or a name of the local network, which nobody from elsewhere can make
 * resolve to what they like.
 *
 * @param host `name`, `name:port` or `[v6]:port`.
 */
export function isLocalName(host: string): boolean {
  const v6 = /^\[([^\]]+)\](?::\d*)?$/.exec(host)?.[1];
  if (v6 !== undefined) return isIP(v6.split('%', 1)[0]!) === 6;
  // The dot at the end of a name that is complete is no part of it.
  const name = host.replace(/:\d*$/, '').toLowerCase().replace(/\.$/, '');
  return isIP(name) === 4 || !name.includes('.') || PRIVATE.test(name);
}
