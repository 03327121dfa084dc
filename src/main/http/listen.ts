/** Opens a server's socket, with an error that helps. */
import type { AddressInfo, Server } from 'node:net';
import type { ListenAddress } from '../config.ts';

/**
 * Listens.
 *
 * @param variable that the address came from.
 * @param example of what it may be instead.
 * @throws Error that says which address was refused and how to choose another.
 */
export function listen(
  server: Server,
  { host, port }: ListenAddress,
  variable: string,
  example: string,
): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    const refused = (error: NodeJS.ErrnoException): void => {
      const where = `${host ?? ''}:${port}`;
      const next = `choose another address with ${variable}, as in ${variable}=${example}`;
      reject(new Error(`${where} was refused (${error.code}): ${next}`));
    };
    server.once('error', refused);
    server.listen({ port, ...(host === undefined ? {} : { host }) }, () => {
      server.off('error', refused);
      resolve(server.address() as AddressInfo);
    });
  });
}
