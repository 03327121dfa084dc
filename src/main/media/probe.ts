/** Tries whether a UDP port can be opened. */
import { createSocket } from 'node:dgram';

/** Tries a port, because the library's error would not name it. @throws Error that names it. */
export async function probe(port: number, bind: string): Promise<void> {
  const socket = createSocket(bind === '' || bind.includes(':') ? 'udp6' : 'udp4');
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind({ port, ...(bind === '' ? {} : { address: bind }), exclusive: true }, resolve);
    });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (bind === '' && code === 'EAFNOSUPPORT') return;
    const where = bind === '' ? `UDP port ${port}` : `UDP port ${port} of ${bind}`;
    throw new Error(`${where} cannot be opened (${code}): choose others with MEDIA_PORTS, or another MEDIA_BIND`);
  } finally {
    socket.close();
  }
}
