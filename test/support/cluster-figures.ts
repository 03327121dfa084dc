/** The figures of a cluster, as an instance has them, and what its metrics make of them. */
import { Histogram } from '../../src/main/histogram.ts';
import { type ClusterFigures, exposeCluster } from '../../src/main/operations/metrics/cluster.ts';
import { Exposition } from '../../src/main/operations/metrics/exposition.ts';

/** Returns figures in which each number is another. */
export function someFigures(): ClusterFigures {
  const delay = new Histogram([0.001, 0.01], 1e6);
  delay.add(500);
  delay.add(5000);
  return {
    problem: null,
    warnings: ['one', 'two'],
    instances: 3,
    reconnections: { control: 1, media: 2 },
    kvLagMs: 1500,
    messagesDropped: { malformed: 4, otherVersion: 5, tooLarge: 6, unknownType: 7, tooMany: 27 },
    remoteParticipants: 8,
    remoteSources: 9,
    relay: {
      in: { packets: 10, bytes: 11 },
      out: { packets: 12, bytes: 13 },
      messagesIn: 14,
      messagesOut: 15,
      drops: { late: 16, disconnected: 17, queue: 18, unknownSource: 19, malformed: 20, tooOld: 21, noIndex: 26 },
      delay,
    },
  };
}

/** Returns the metrics that only an instance of a cluster has, as text. */
export function clusterMetrics(figures: ClusterFigures = someFigures()): string {
  const exposition = new Exposition();
  exposeCluster(exposition, figures);
  return exposition.render();
}
