/** A permission service for the room benchmark, which lets speakers speak and everybody else only listen. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface StagePermissions {
  /** As for `PERMISSIONS_HOST`. */
  readonly url: string;
  close(): void;
}

/** Starts it on loopback. @param speakers how the userids of those who may speak begin. */
export async function startStagePermissions(speakers: string): Promise<StagePermissions> {
  const server = createServer(({ url = '' }, response) => {
    const speak = url.startsWith(`/user/${speakers}`);
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ speak }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
