/** Prints the results of storms. */
import type { Listened } from '../../test/support/listening.ts';
import type { JoinTimes } from './joins.ts';
import type { StormResult, StormSetup } from './run.ts';

export function printStorms(setup: StormSetup, results: readonly StormResult[]): void {
  const { clients, slots, room, inFlight, events } = setup;
  console.log(
    `${clients} clients with ${slots} slots${events ? ' and events' : ''} connect at once beside two who talk`,
  );
  const row = (what: string, of: (result: StormResult) => string): void =>
    console.log(`${what.padEnd(46)}${results.map((result) => of(result).padStart(16)).join('')}`);
  row('lost, of packets; in peace', ({ before }) => losses(before));
  row('longest gap, ms; in peace', ({ before }) => before.longestGap.toFixed(0));
  row('lost, of packets; while they connect', ({ storm }) => losses(storm));
  row('longest gap, ms; while they connect', ({ storm }) => storm.longestGap.toFixed(0));
  row('connected', ({ connected }) => String(connected.times.length));
  for (const share of [0.5, 0.99, 1]) {
    row(`time until connected, s, p${share * 100}`, ({ connected: { times } }) =>
      (times[Math.floor((times.length - 1) * share)]! / 1000).toFixed(1),
    );
  }
  row('longest attempt that ended well, s', ({ connected }) => (connected.longestAttempt / 1000).toFixed(1));
  row('refused, by status or close code', ({ connected: { failures } }) =>
    Object.entries(failures)
      .map(([why, count]) => `${why}: ${count}`)
      .join(', '),
  );
  row('Retry-After, s', ({ connected: { retryAfter } }) => retryAfter?.join('–') ?? '');
  row('mean wait of an offer, ms', ({ meanWait }) => meanWait.toFixed(0));
  const rowsOfCpu = (of: (result: StormResult) => Readonly<Record<string, number>>): void => {
    row('CPU of the server for each, ms', (result) =>
      Object.values(of(result))
        .reduce((sum, one) => sum + one, 0)
        .toFixed(1),
    );
    for (const name of ['main', 'RTC worker', 'juice mux', 'SCTP timer', 'node']) {
      row(`  of which ${name}`, (result) => (of(result)[name] ?? 0).toFixed(2));
    }
  };
  rowsOfCpu(({ cpuEach }) => cpuEach);
  if (!setup.joins) return;
  console.log(`then all of them join conversations of ${room}, ${inFlight} at a time, again and again`);
  const passes = (what: string, of: (times: JoinTimes) => number): void =>
    row(what, ({ joins }) => joins.map((times) => of(times).toFixed(0)).join(' / '));
  passes('longest first request on so many new sockets', ({ opening }) => opening);
  passes('POST /join, ms, p50', ({ p50 }) => p50);
  passes('POST /join, ms, p99', ({ p99 }) => p99);
  passes('joins a second', ({ perSecond }) => perSecond);
  rowsOfCpu(({ cpuJoin }) => cpuJoin);
  row('lost, of packets; while they join', ({ joining }) => (joining === null ? '' : losses(joining)));
  row('longest gap, ms; while they join', ({ joining }) => joining?.longestGap.toFixed(0) ?? '');
}

function losses({ lost, received }: Listened): string {
  return `${lost} of ${lost + received}`;
}
