/** What `--lan` changes: the address, the certificate, the media ports, and what the terminal says about all that. */
import { X509Certificate } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { createSecureContext } from 'node:tls';
import { type Certificate, makeCertificate } from './certificate.ts';
import type { Gateway, GatewayOptions } from './gateway.ts';
import { chooseAddress, hostOf } from './lan-address.ts';
import type { LanOptions } from './options.ts';
import { qrLines } from './qr-text.ts';

/** The room of the URL on the terminal: the one that the page offers by itself. */
const ROOM = 'lobby';
/** What stands before each line. */
const INDENT = '  ';

export interface Lan {
  readonly banner: string;
  readonly gateway: Pick<GatewayOptions, 'lan'>;
  /** Variables of each server for its media. */
  readonly media: readonly Readonly<Record<string, string>>[];
  /** Returns what others need: the URL, its QR code, what their browser will say, and which ports have to be open. */
  invitation(gateway: Gateway): string;
}

/**
 * Prepares the demo for others in the network.
 *
 * @param port the gateway's, which the first media port's number follows; 0 for any.
 * @throws Error that says what to do if the machine has no address for others, or the certificate does not fit.
 */
export async function openToLan({ address: wanted, files, qr }: LanOptions, port: number, count: number): Promise<Lan> {
  const { address, others } = chooseAddress(wanted, networkInterfaces());
  const certificate = files === null ? makeCertificate(namesOf(address), Date.now()) : readCertificate(files, address);
  const addresses = mediaAddresses(address);
  const mediaPorts = await freeMediaPorts(addresses.MEDIA_BIND, port, count);
  return {
    banner: bannerFor(address),
    gateway: { lan: { address, certificate } },
    media: mediaPorts.map((mediaPort) => ({ ...addresses, MEDIA_PORTS: String(mediaPort) })),
    invitation: (gateway) => {
      const url = `${gateway.url}/?room=${ROOM}`;
      const lines = [
        ...invite(url, others),
        ...(qr || process.stdout.isTTY ? ['', ...code(url)] : []),
        '',
        ...(files === null ? explainWarning(certificate) : []),
        ...explainPorts(gateway.port, mediaPorts),
        '',
        'Ctrl-C ends the demo.',
      ];
      return `\n${lines.map((line) => (line === '' ? '' : INDENT + line)).join('\n')}\n`;
    },
  };
}

/** Everything that the gateway listens at, by the names that a browser may use. */
function namesOf(address: string): string[] {
  return [address, '127.0.0.1', 'localhost'];
}

/**
 * Returns the variables with which others reach the media ports, and the bots, too. These send from 127.0.0.1, which
 * reaches another IPv4 address of the same machine on Linux. Elsewhere, and for IPv6, the ports are on loopback as well.
 */
function mediaAddresses(address: string): { MEDIA_BIND: string; ANNOUNCED_ADDRESS: string } {
  const reached = process.platform === 'linux' && isIPv4(address);
  if (reached) return { MEDIA_BIND: address, ANNOUNCED_ADDRESS: address };
  return { MEDIA_BIND: '', ANNOUNCED_ADDRESS: `${address},127.0.0.1` };
}

function bannerFor(address: string): string {
  const lines = [
    'backend-webrtc demo — FOR DEVELOPMENT ONLY',
    'OPEN TO OTHERS. Whoever in the network reaches',
    address,
    'may take ANY NAME, and talk and listen in every room: the',
    'gateway checks nobody. Use it in a network that you trust,',
    'and end it when you are done.',
  ];
  const rule = '═'.repeat(62);
  return `\n  ╔${rule}╗\n${lines.map((line) => `  ║  ${line.padEnd(60)}║`).join('\n')}\n  ╚${rule}╝\n`;
}

function invite(url: string, others: readonly string[]): string[] {
  const more = `This machine also has ${others.join(', ')}: --lan ADDRESS takes another one.`;
  return [`Open  ${url}  on any device in this network.`, ...(others.length === 0 ? [] : [more])];
}

function code(url: string): string[] {
  const lines = qrLines(url);
  // A code is a square with an odd number of modules, and each line shows two rows of them.
  const width = INDENT.length + 2 * lines.length - 1;
  if (process.stdout.isTTY && process.stdout.columns < width) {
    return [`(The QR code needs a terminal of ${width} columns.)`];
  }
  return lines;
}

function explainWarning({ cert }: Certificate): string[] {
  return [
    'The browser will warn that the connection is not private: nobody but this demo has signed its certificate,',
    'which is made anew at every start and kept nowhere. Choose “Advanced” and go on. Its SHA-256 fingerprint is',
    new X509Certificate(cert).fingerprint256,
    'iPhones go on, but then refuse the websocket: they need a certificate that they trust (--cert, demo/README.md).',
  ];
}

function explainPorts(port: number, mediaPorts: readonly number[]): string[] {
  const udp = `UDP ${mediaPorts.length === 1 ? 'port' : 'ports'} ${mediaPorts.join(', ')}`;
  return [
    `If the page does not open, or nobody is heard: this machine’s firewall has to let in TCP port ${port} and`,
    `${udp}. Guest Wi-Fi often keeps its devices apart.`,
  ];
}

/** Reads a certificate and its key. @throws Error if they do not belong together, or to another address. */
function readCertificate({ cert, key }: { cert: string; key: string }, address: string): Certificate {
  try {
    const certificate = { cert: readFileSync(cert), key: readFileSync(key) };
    createSecureContext(certificate);
    if (new X509Certificate(certificate.cert).checkIP(address) !== undefined) return certificate;
  } catch (error) {
    throw new Error(`--cert and --key cannot be used: ${(error as Error).message}`);
  }
  throw new Error(`the certificate in ${cert} is not for ${hostOf(address)}: its subjectAltName has to have that`);
}

/** Returns as many UDP ports that are free: from the wanted one on if it is not 0, so that they are easy to remember. */
async function freeMediaPorts(bind: string, wanted: number, count: number): Promise<number[]> {
  const ports: number[] = [];
  for (let i = 0; i < count; i++) {
    ports.push(await freePort(bind, wanted === 0 ? 0 : wanted + i, ports).catch(() => freePort(bind, 0, ports)));
  }
  return ports;
}

/**
 * Returns the port if it is free, or any for 0.
 *
 * @param bind the address; empty for all.
 * @throws Error if it is in use.
 */
function freePort(bind: string, wanted: number, taken: readonly number[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4');
    socket.once('error', reject);
    socket.bind({ port: wanted, ...(bind === '' ? {} : { address: bind }), exclusive: true }, () => {
      const { port } = socket.address();
      socket.close(() => (taken.includes(port) ? reject(new Error('taken')) : resolve(port)));
    });
  });
}
