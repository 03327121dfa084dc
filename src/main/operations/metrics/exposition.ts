/** Metrics that are looked up when somebody asks, in terms of prom-client. */
import { Counter, Gauge, type LabelValues, Histogram as PromHistogram, type Registry } from 'prom-client';
import type { Histogram } from '../../histogram.ts';

type Labels = LabelValues<string>;

/** A value for each combination of labels. */
export type Readings = Iterable<readonly [labels: Labels, value: number]>;

/** Adds metrics to a registry; each is read anew at every scrape. */
export class Exposition {
  private readonly registers: Registry[];

  constructor(registry: Registry) {
    this.registers = [registry];
  }

  gauge(name: string, help: string, read: () => number): void {
    this.gauges(name, help, [], () => [[{}, read()]]);
  }

  gauges(name: string, help: string, labelNames: readonly string[], read: () => Readings): void {
    const gauge: Gauge = new Gauge({
      name,
      help,
      labelNames,
      registers: this.registers,
      collect() {
        gauge.reset();
        for (const [labels, value] of read()) gauge.set(labels, value);
      },
    });
  }

  counter(name: string, help: string, read: () => number): void {
    this.counters(name, help, [], () => [[{}, read()]]);
  }

  /** @param read totals since the start; what has the same labels is summed. */
  counters(name: string, help: string, labelNames: readonly string[], read: () => Readings): void {
    const counter: Counter = new Counter({
      name,
      help,
      labelNames,
      registers: this.registers,
      collect() {
        counter.reset();
        for (const [labels, value] of read()) counter.inc(labels, value);
      },
    });
  }

  histogram(name: string, help: string, read: () => Distribution): void {
    this.histograms(name, help, [], () => [[{}, read()]]);
  }

  histograms(name: string, help: string, labelNames: readonly string[], read: () => Distributions): void {
    this.registers[0]!.registerMetric(new BucketHistogram(name, help, labelNames, read));
  }
}

/** What a histogram says. */
export interface Distribution {
  readonly bounds: readonly number[];
  /** Values up to each bound, and all of them. */
  readonly cumulative: readonly number[];
  readonly sum: number;
}
type Distributions = Iterable<readonly [labels: Labels, distribution: Distribution]>;

export function distribution(buckets: Histogram): Distribution {
  return { bounds: buckets.bounds, cumulative: buckets.cumulative(), sum: buckets.sum };
}

/** A histogram whose counts are kept elsewhere: prom-client's own would cost a microsecond and allocate at each value. */
class BucketHistogram extends PromHistogram {
  private readonly about: { readonly name: string; readonly help: string };
  private readonly read: () => Distributions;

  constructor(name: string, help: string, labelNames: readonly string[], read: () => Distributions) {
    super({ name, help, labelNames, registers: [] });
    this.about = { name, help };
    this.read = read;
  }

  /** What the library asks for all that it shows of a histogram; not in its types. */
  async getForPromString(): Promise<object> {
    const { name } = this.about;
    const values: { metricName: string; value: number; labels: Labels }[] = [];
    for (const [labels, { bounds, cumulative, sum }] of this.read()) {
      const add = (suffix: string, value: number, more: Labels = {}): void => {
        values.push({ metricName: `${name}_${suffix}`, value, labels: { ...labels, ...more } });
      };
      const count = cumulative.at(-1) ?? 0;
      bounds.forEach((le, i) => void add('bucket', cumulative[i]!, { le }));
      add('bucket', count, { le: '+Inf' });
      add('sum', sum);
      add('count', count);
    }
    return { ...this.about, type: 'histogram', aggregator: 'sum', values };
  }
}
