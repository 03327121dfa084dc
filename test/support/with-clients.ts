import { ClientHost } from './client.ts';

/** Runs a scenario with a process for its clients, which ends with it. */
export async function withClients(body: (host: ClientHost) => Promise<void>): Promise<void> {
  const host = new ClientHost();
  try {
    await body(host);
  } finally {
    host.kill();
  }
}
