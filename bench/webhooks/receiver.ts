/** A receiver of webhooks in a process of its own, which accepts everything and tells its parent how much. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

let events = 0;
let requests = 0;
const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    events += (JSON.parse(Buffer.concat(chunks).toString()) as { events: unknown[] }).events.length;
    requests++;
    response.writeHead(204).end();
  });
});
server.listen(0, '127.0.0.1', () => process.send!({ port: (server.address() as AddressInfo).port }));
process.on('message', () => process.send!({ events, requests }));
process.on('disconnect', () => process.exit(0));
