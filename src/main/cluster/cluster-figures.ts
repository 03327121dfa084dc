/** The figures of a cluster, for metrics. */
import type { HostedConversations } from '../conversations/hosted-conversations.ts';
import type { RemoteSources } from '../conversations/remote-participant.ts';
import type { ClusterLinks } from './cluster-links.ts';
import type { Instances } from './instances.ts';
import type { ReadCounts } from './messages/read.ts';
import type { OperatorsView } from './operators-view.ts';
import type { Records } from './records.ts';
import type { RelayCounts, RelayDrops } from './relay/counts.ts';
import type { Relay } from './relay/relay.ts';

/** `noIndex`: `MAX_REMOTE_SOURCES` are in use. */
type Drops = RelayDrops & { readonly noIndex: number };

export interface FigureParts {
  readonly links: Pick<ClusterLinks, 'control' | 'media'>;
  readonly view: Pick<OperatorsView, 'problem' | 'warnings'>;
  readonly instances: Pick<Instances, 'all'>;
  readonly records: Pick<Records, 'lagMs'>;
  readonly counts: ReadCounts;
  readonly relay: Pick<Relay, 'counts'>;
  readonly remote: Pick<RemoteSources, 'known' | 'refused'>;
  readonly hosted: Pick<HostedConversations, 'remoteParticipants'>;
}

/** Read at each scrape. */
export class ClusterFigures {
  private readonly parts: FigureParts;

  constructor(parts: FigureParts) {
    this.parts = parts;
  }

  get problem(): string | null {
    return this.parts.view.problem;
  }

  get warnings(): readonly string[] {
    return this.parts.view.warnings;
  }

  get instances(): number {
    return this.parts.instances.all().length + 1;
  }

  get reconnections(): { control: number; media: number } {
    const { control, media } = this.parts.links;
    return { control: control.reconnections, media: media.reconnections };
  }

  get kvLagMs(): number {
    return this.parts.records.lagMs;
  }

  get messagesDropped(): ReadCounts {
    const { counts, relay } = this.parts;
    const { read } = relay.counts;
    return {
      malformed: counts.malformed + read.malformed,
      otherVersion: counts.otherVersion + read.otherVersion,
      tooLarge: counts.tooLarge + read.tooLarge,
      unknownType: counts.unknownType + read.unknownType,
      tooMany: counts.tooMany + read.tooMany,
    };
  }

  get remoteParticipants(): number {
    return this.parts.hosted.remoteParticipants;
  }

  get remoteSources(): number {
    return this.parts.remote.known.size;
  }

  get relay(): Pick<RelayCounts, 'in' | 'out' | 'messagesIn' | 'messagesOut' | 'delay'> & { drops: Drops } {
    const { relay, remote } = this.parts;
    const { in: into, out, messagesIn, messagesOut, delay, drops } = relay.counts;
    return { in: into, out, messagesIn, messagesOut, delay, drops: { ...drops, noIndex: remote.refused } };
  }
}
