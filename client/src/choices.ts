/** What a user has chosen on a client, so that the next one can begin with it. */
import type { ClientOptions, VoiceClient } from './index.ts';

/** The options of the next client that differ from those of the page, and the volumes. */
export interface Choices {
  readonly options: Pick<ClientOptions, 'muted' | 'deafened' | 'microphone' | 'outputDevice'>;
  readonly volumes: ReadonlyMap<string, number>;
}

/**
 * Keeps track of what the user chooses on a client.
 *
 * @returns what it is now, also once the client is closed.
 */
export function watchChoices(client: VoiceClient): () => Choices {
  let microphone: ClientOptions['microphone'];
  client.on('microphone', ({ track, error }) => {
    // A client that closes stops its microphone, which is no choice.
    if (client.state === 'closed') return;
    // Not started since it failed: the page's own options are as good.
    if (error !== null) microphone = undefined;
    else microphone = track !== null;
  });
  return () => {
    const { muted, deafened, volumes } = client;
    // `mic` is not for applications; its options are those of the microphone as it was last, with device and filters.
    const started = microphone === true ? client['mic'].options : microphone;
    const outputDevice = (client.mixedElement ?? client.slots.find(({ element }) => element !== null)?.element)?.sinkId;
    return {
      options: {
        muted,
        deafened,
        ...(started === undefined ? {} : { microphone: started }),
        ...(outputDevice === undefined ? {} : { outputDevice }),
      },
      volumes,
    };
  };
}
