import { readFileSync } from 'node:fs';
import { openGateway, type Gateway as PlainGateway, urlOf } from '../../demo/gateway.ts';

/** The folder of the pages, relative to the compiled file in `dist/test/support`. */
const PAGES = new URL('../../../test/data/page/', import.meta.url);

const FILES: Record<string, { file: string; type: string }> = {
  '/': { file: 'index.html', type: 'text/html' },
  '/client.js': { file: 'client.js', type: 'text/javascript' },
  '/example': { file: 'example.html', type: 'text/html' },
  '/examples/': { file: 'blank.html', type: 'text/html' },
  '/voice': { file: 'voice-client.html', type: 'text/html' },
  '/voice-client-page.js': { file: 'voice-client-page.js', type: 'text/javascript' },
};

export interface Gateway extends PlainGateway {
  /** Port of the server to which requests are passed on; a test may change it. */
  upstream: number;
  /** Tokens that are refused with 401. */
  refused: Set<string>;
}

/**
 * Starts the demo's gateway in front of a server. It also serves the test pages, so that they share the API's origin.
 *
 * @param scripts scripts to serve as well, by path.
 */
export async function startGateway(
  upstreamPort: number,
  scripts: Readonly<Record<string, Uint8Array>> = {},
): Promise<Gateway> {
  const files = new Map(
    Object.entries(FILES).map(([path, { file, type }]) => [path, { body: readFileSync(new URL(file, PAGES)), type }]),
  );
  for (const [path, body] of Object.entries(scripts))
    files.set(path, { body: Buffer.from(body), type: 'text/javascript' });
  const state = { upstream: upstreamPort, refused: new Set<string>() };
  const gateway = await openGateway({
    upstream: () => state.upstream,
    refused: state.refused,
    local: (req, res) => {
      const file = files.get(urlOf(req).pathname);
      if (file === undefined || req.method !== 'GET') return false;
      res.setHeader('content-type', `${file.type}; charset=utf-8`).end(file.body);
      return true;
    },
  });
  return Object.assign(state, gateway);
}
