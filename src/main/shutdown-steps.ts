/** Shuts the parts of the service down, in the right order. */
import type { Config } from './config.ts';
import type { Connections } from './connections/connections.ts';
import type { HostedConversations } from './conversations/hosted-conversations.ts';
import type { EventHub } from './events/hub.ts';
import type { Hooks } from './hooks/hooks.ts';
import type { Log } from './log/log.ts';
import { peersClosed } from './media/peer.ts';
import { type Drained, drained } from './operations/drain.ts';
import type { Steps } from './operations/shutdown.ts';
import type { Cancel } from './timers.ts';

/** How long the native library may take to close all peer connections, milliseconds. */
const GOODBYE_TIMEOUT_MS = 1000;

export interface ShutdownParts {
  readonly memberships: { beginDrain(): void };
  /** Null for an instance that knows no other. */
  readonly cluster: { drain(): void; close(): Promise<void> } | null;
  readonly connections: Connections;
  /** Null without a `WEBHOOK_URL`. */
  readonly hooks: Pick<Hooks, 'close'> | null;
  readonly conversations: { ids(): Iterable<string> };
  readonly events: EventHub;
  readonly hosted: HostedConversations;
  readonly server: { close(): void };
  readonly admin: { close(): void };
  readonly taps: { close(): void };
  readonly health: { stop(): void };
  readonly metrics: { stop(): void };
  readonly shards: { stop(): Promise<void> };
  readonly muxWatch: { stop(): void };
  readonly ports: { close(): void };
  readonly stopTimers: readonly Cancel[];
  readonly config: Pick<Config, 'DRAIN_TIMEOUT_MS' | 'SHUTDOWN_TIMEOUT_MS'>;
  readonly log: Log;
}

export function shutdownSteps(parts: ShutdownParts): Steps {
  const { memberships, cluster, connections, events, hosted, config, log } = parts;
  return {
    async drain(aborted) {
      memberships.beginDrain();
      cluster?.drain();
      connections.endUnestablished('draining', 'the server is shutting down');
      events.drain(config.DRAIN_TIMEOUT_MS);
      const look = (): Drained => ({ connections: connections.count, talking: hosted.talking });
      const why = await drained(look, config.DRAIN_TIMEOUT_MS, aborted);
      log.info({ why, connections: connections.count }, 'drained');
    },
    async close(why) {
      memberships.beginDrain();
      for (const stop of parts.stopTimers) stop();
      await connections.endAll('draining', why);
      parts.taps.close();
      // What it has to say in the end is about this process alone, so others need not wait for it.
      const told = parts.hooks?.close(parts.conversations.ids(), config.SHUTDOWN_TIMEOUT_MS / 2);
      await cluster?.close();
      parts.server.close();
      parts.health.stop();
      parts.metrics.stop();
      await parts.shards.stop();
      await peersClosed(GOODBYE_TIMEOUT_MS);
      parts.muxWatch.stop();
      parts.ports.close();
      await told;
      parts.admin.close();
    },
  };
}
