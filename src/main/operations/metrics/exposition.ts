/**
 * Metrics in Prometheus' text format, version 0.0.4: https://prometheus.io/docs/instrumenting/exposition_formats/.
 * Keeps no values: each metric is read at each scrape.
 */
import type { Histogram } from '../../histogram.ts';

type Labels = Readonly<Record<string, string | number>>;

/** Values by combination of labels. */
export type Readings = Iterable<readonly [labels: Labels, value: number]>;

/** The state of a histogram. */
export interface Distribution {
  readonly bounds: readonly number[];
  /** Number of values up to each bound, then the number of all. */
  readonly cumulative: readonly number[];
  readonly sum: number;
}
type Distributions = Iterable<readonly [labels: Labels, distribution: Distribution]>;

export function distribution(buckets: Histogram): Distribution {
  return { bounds: buckets.bounds, cumulative: buckets.cumulative(), sum: buckets.sum };
}

export class Exposition {
  private readonly families: (() => string)[] = [];

  gauge(name: string, help: string, read: () => number): void {
    this.gauges(name, help, () => [[{}, read()]]);
  }

  gauges(name: string, help: string, read: () => Readings): void {
    this.add(name, help, 'gauge', () => samples(name, read()));
  }

  counter(name: string, help: string, read: () => number): void {
    this.counters(name, help, () => [[{}, read()]]);
  }

  /** @param read returns totals since the start. Totals with the same labels are added up. */
  counters(name: string, help: string, read: () => Readings): void {
    this.add(name, help, 'counter', () => samples(name, read()));
  }

  histogram(name: string, help: string, read: () => Distribution): void {
    this.histograms(name, help, () => [[{}, read()]]);
  }

  histograms(name: string, help: string, read: () => Distributions): void {
    this.add(name, help, 'histogram', () =>
      Array.from(read(), ([labels, { bounds, cumulative, sum }]) => {
        const count = cumulative.at(-1) ?? 0;
        const buckets = bounds.map((le, i): [Labels, number] => [{ ...labels, le }, cumulative[i]!]);
        const all = samples(`${name}_bucket`, [...buckets, [{ ...labels, le: '+Inf' }, count]]);
        return all + samples(`${name}_sum`, [[labels, sum]]) + samples(`${name}_count`, [[labels, count]]);
      }).join(''),
    );
  }

  /** Reads all metrics, and returns them as text. */
  render(): string {
    return this.families.map((family) => family()).join('\n');
  }

  private add(name: string, help: string, type: string, read: () => string): void {
    this.families.push(() => `# HELP ${name} ${escaped(help)}\n# TYPE ${name} ${type}\n${read()}`);
  }
}

function samples(name: string, readings: Readings): string {
  const values = new Map<string, number>();
  for (const [labels, value] of readings) {
    const all = Object.entries(labels).map(
      ([label, text]) => `${label}="${escaped(String(text)).replaceAll('"', '\\"')}"`,
    );
    const series = all.length === 0 ? name : `${name}{${all.join(',')}}`;
    values.set(series, (values.get(series) ?? 0) + value);
  }
  return Array.from(values, ([series, value]) => `${series} ${value}\n`).join('');
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}
