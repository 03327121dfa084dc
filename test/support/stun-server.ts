/** A STUN server (RFC 8489) that reports one address to every client, or does not answer. */
import { createSocket } from 'node:dgram';

const HEADER_BYTES = 20;
const MAGIC = 0x2112a442;
const BINDING_SUCCESS = 0x0101;
const XOR_MAPPED_ADDRESS = 0x0020;
const IPV4 = 1;

export interface StunServer {
  /** As in `ICE_SERVERS`. */
  readonly url: string;
  /** Resolves once a request has come. */
  readonly asked: Promise<void>;
  close(): void;
}

/**
 * Starts a STUN server.
 *
 * @param seen the IPv4 address that it reports to every client, or null not to answer. @param host its own address.
 */
export async function startStunServer(seen: string | null, host = '127.0.0.1'): Promise<StunServer> {
  const socket = createSocket('udp4');
  let tell: () => void = () => undefined;
  const asked = new Promise<void>((resolve) => {
    tell = resolve;
  });
  socket.on('message', (request, from) => {
    tell();
    if (seen !== null) socket.send(success(request, seen, from.port), from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, host, resolve));
  return { url: `stun:${host}:${socket.address().port}`, asked, close: () => socket.close() };
}

function success(request: Buffer, address: string, port: number): Buffer {
  const response = Buffer.alloc(HEADER_BYTES + 12);
  request.copy(response, 4, 4, HEADER_BYTES);
  response.writeUInt16BE(BINDING_SUCCESS, 0);
  response.writeUInt16BE(12, 2);
  response.writeUInt16BE(XOR_MAPPED_ADDRESS, 20);
  response.writeUInt16BE(8, 22);
  response.writeUInt8(IPV4, 25);
  response.writeUInt16BE(port ^ (MAGIC >>> 16), 26);
  const number = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  response.writeUInt32BE((number ^ MAGIC) >>> 0, 28);
  return response;
}
