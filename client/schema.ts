/** Writes docs/schema: the JSON schemas of events and requests, OpenAPI of HTTP, and AsyncAPI. `npm run build:schema` */
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as v from 'valibot';
import { EVENT_SCHEMAS, EventLimits, REQUEST_SCHEMAS } from '../src/main/events/schema.ts';
import { WebhookBody } from '../src/main/hooks/schema.ts';
import { asyncApiFile } from './asyncapi.ts';
import { jsonSchema } from './json-schema.ts';
import { openApiFiles } from './openapi.ts';

/** The folder of the schemas, relative to the compiled file in `dist/client`. */
const FOLDER = new URL('../../docs/schema/', import.meta.url);

/** Returns the content of each file, by file name. */
export function schemaFiles(): Map<string, string> {
  const event = v.variant('type', Object.values(EVENT_SCHEMAS) as never);
  const message = v.union([event, v.array(event)]);
  const request = v.variant('type', Object.values(REQUEST_SCHEMAS) as never);
  return new Map([
    ...openApiFiles(),
    ['asyncapi.json', asyncApiFile()],
    ['webhook.json', text(WebhookBody, 'The body of a request to WEBHOOK_URL')],
    ['server-message.json', text(message, 'A text message from the server on the events data channel')],
    [
      'client-message.json',
      text(
        request,
        `A text message from the client on the events data channel; at most ${EventLimits.messageLength} characters`,
      ),
    ],
  ]);
}

function text(schema: v.GenericSchema, title: string): string {
  return `${JSON.stringify({ title, ...jsonSchema(schema, { target: 'draft-2020-12' }) }, null, 2)}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  mkdirSync(FOLDER, { recursive: true });
  for (const [name, body] of schemaFiles()) writeFileSync(new URL(name, FOLDER), body);
}
