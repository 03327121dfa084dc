/** Opens the listening socket of a server, with an error that says what to do. */
import type { AddressInfo, Server } from 'node:net';
import type { ListenAddress } from '../config.ts';

/**
 * Starts to listen.
 *
 * @param variable the variable that the address comes from.
 * @param example another value for this variable.
 * @throws Error that names the refused address and says how to choose another.
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
