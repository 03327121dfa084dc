/** The configuration of one attempt: the application's own, and the TURN servers that the service names. */
import { VoiceError } from './errors.ts';
import { turnServers } from './http.ts';
import { supplied } from './supplied.ts';
import { within } from './time.ts';
import type { ClientOptions } from './types.ts';

/** How long an attempt waits for the service to name its TURN servers, milliseconds. */
const ASK_MS = 3000;

/**
 * Returns the configuration for one attempt. TURN credentials expire, so nothing is kept for the next one.
 *
 * A service that names no servers, or cannot be asked, costs the attempt nothing but these servers.
 *
 * @throws VoiceError `unreachable`, retryable, if the application's function fails; `superseded` if aborted.
 */
export async function configurationFor(
  options: Pick<ClientOptions, 'url' | 'token' | 'rtc' | 'attemptTimeout'>,
  signal: AbortSignal,
): Promise<RTCConfiguration> {
  const [own, named] = await Promise.all([supplied(options.rtc, signal, failed), namedServers(options, signal)]);
  return { ...own, iceServers: [...(own?.iceServers ?? []), ...named] };
}

function failed(why: string, cause?: unknown): VoiceError {
  return new VoiceError('unreachable', `The rtc function failed: ${why}.`, { cause, retryable: true });
}

async function namedServers(
  options: Parameters<typeof configurationFor>[0],
  signal: AbortSignal,
): Promise<readonly RTCIceServer[]> {
  let named: readonly RTCIceServer[] = [];
  const asking = turnServers(options, signal).then((all) => {
    // What a browser does not take would make the whole attempt fail.
    if (all.length > 0) new RTCPeerConnection({ iceServers: all }).close();
    named = all;
  });
  const patience = Math.min(ASK_MS, (options.attemptTimeout ?? ASK_MS) / 2);
  await within(patience, asking).catch(() => undefined);
  return named;
}
