/** A proxy of a development server that gives the pages and the API one origin, and tells the API another Host. */
import { type ReverseProxy, startReverseProxy } from './reverse-proxy.ts';

/** Starts a proxy on loopback. @param pages @param api ports; the API gets what begins with /webrtc/. */
export function startRewritingProxy(pages: number, api: number): Promise<ReverseProxy> {
  return startReverseProxy(({ url = '/', headers }) => {
    const isApi = url.startsWith('/webrtc/');
    const port = isApi ? api : pages;
    const { origin: _, ...others } = headers;
    // The tests' own pages come from a gateway too, which would refuse to serve another origin.
    const sent = isApi ? headers : others;
    return { port, path: url, headers: { ...sent, host: `localhost:${port}` } };
  });
}
