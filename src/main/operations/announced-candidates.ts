/** Logs at start which candidates clients will get, and warns if they can reach none of these. */
import type { Config } from '../config.ts';
import { isPrivate } from '../ip-address.ts';
import type { Log } from '../log/log.ts';
import { Peer, type PeerConfig } from '../media/peer.ts';
import type { MediaPorts } from '../media/ports.ts';
import { announce, parseCandidate } from '../sdp/candidates.ts';
import type { Plan } from '../sdp/plan.ts';

type CandidatesConfig = Pick<Config, 'ANNOUNCED_ADDRESS' | 'GATHER_TIMEOUT_MS' | 'MEDIA_PORTS'> & PeerConfig;

/** An offer to gather candidates with. It has no candidates itself, so that nothing is ever sent to it. */
const NOBODY: Plan = {
  lines: [],
  bundle: null,
  publication: null,
  slots: [],
  surplusSlots: 0,
  data: null,
  setup: 'actpass',
  ice: { ufrag: 'nobody', pwd: 'nobody'.repeat(4) },
  fingerprints: [{ hash: 'sha-256', value: Array(32).fill('00').join(':') }],
};

/**
 * Gathers candidates once, as for a client's answer, and logs them. Returns at once; the line follows within
 * `GATHER_TIMEOUT_MS`.
 */
export function tellCandidates(config: CandidatesConfig, ports: MediaPorts, log: Log): void {
  gather(config, ports, log).then(
    (candidates) => candidates !== null && tell(candidates, config, log),
    (error: unknown) => log.warn({ err: error }, 'the candidates that clients will get could not be gathered'),
  );
}

/** Gathers candidates. @returns null if the server shut down meanwhile. */
async function gather(config: CandidatesConfig, ports: MediaPorts, log: Log): Promise<string[] | null> {
  const nothing = (): undefined => undefined;
  let closed = false;
  const peer = new Peer(config, ports.take('', []), {
    connected: nothing,
    closed: () => {
      closed = true;
    },
    packet: nothing,
    channelLabel: '',
    channelOpened: () => ({ message: nothing, closed: nothing }),
    failed: (error) => log.error({ err: error }, 'peer callback failed'),
  });
  try {
    const { candidates } = await peer.accept(NOBODY, config.GATHER_TIMEOUT_MS);
    return announce(candidates, config.ANNOUNCED_ADDRESS);
  } catch (error) {
    if (closed) return null;
    throw error;
  } finally {
    peer.close();
  }
}

function tell(attributes: readonly string[], config: CandidatesConfig, log: Log): void {
  const candidates = attributes.map(parseCandidate).filter((candidate) => candidate !== null);
  const { MEDIA_PORTS: mediaPorts } = config;
  const shown = candidates.map(({ address, port, type }) => {
    return `${address.includes(':') ? `[${address}]` : address}:${port} ${type}`;
  });
  log.info({ candidates: shown, mediaPorts }, 'clients will get these candidates, each with one of the media ports');
  if (candidates.length === 0) {
    log.warn(
      'clients will get no candidates, so none can connect: look at the network interfaces, MEDIA_BIND and GATHER_TIMEOUT_MS',
    );
  } else if (config.ANNOUNCED_ADDRESS.length === 0 && candidates.every(({ address }) => isPrivate(address))) {
    log.warn(
      'every candidate is private, so only clients in the same network can connect: set ANNOUNCED_ADDRESS to the public address under which clients reach the media ports',
    );
  }
}
