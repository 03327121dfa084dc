/** A row of small charts. They show the last minute of round-trip time, loss, jitter and bit rate. */
import type { Statistics } from '@beep/webrtc-client';
import { byId, make, setText } from './dom.ts';

const SVG = 'http://www.w3.org/2000/svg';
const SAMPLES = 60;
const HEIGHT = 30;
/** Space above the highest value and below zero, so that the edges do not cut the lines. */
const MARGIN = 1.5;

interface Series {
  /** Symbol before the value; empty if the chart has only one series. */
  readonly mark: string;
  /** The symbol in words, for screen readers. */
  readonly name: string;
  /** Picks the value; null if it is unknown. */
  readonly of: (statistics: Statistics) => number | null;
}

interface Plan {
  readonly title: string;
  readonly unit: string;
  /** Smallest value that the chart's full height represents, so that small changes of small values look small. */
  readonly least: number;
  readonly digits: number;
  readonly series: readonly Series[];
}

const scaled = (value: number | null, factor: number): number | null => (value === null ? null : value * factor);
const one = (of: Series['of']): readonly Series[] => [{ mark: '', name: '', of }];
const both = (up: Series['of'], down: Series['of']): readonly Series[] => [
  { mark: '↑', name: 'sent', of: up },
  { mark: '↓', name: 'received', of: down },
];

const PLANS: readonly Plan[] = [
  { title: 'Round trip', unit: 'ms', least: 20, digits: 0, series: one(({ rttMs }) => rttMs) },
  {
    title: 'Loss',
    unit: '%',
    least: 5,
    digits: 1,
    series: both(
      ({ uplinkLoss }) => scaled(uplinkLoss, 100),
      ({ downlinkLoss }) => scaled(downlinkLoss, 100),
    ),
  },
  { title: 'Jitter', unit: 'ms', least: 20, digits: 0, series: one(({ jitterMs }) => jitterMs) },
  {
    title: 'Bit rate',
    unit: 'kbit/s',
    least: 50,
    digits: 0,
    series: both(
      ({ uplinkBitrate }) => scaled(uplinkBitrate, 0.001),
      ({ downlinkBitrate }) => scaled(downlinkBitrate, 0.001),
    ),
  },
];

/** One chart. It is drawn from the start, even without values. */
class Chart {
  readonly figure: HTMLElement;
  private readonly plan: Plan;
  private readonly now = make('span', 'now');
  private readonly svg = document.createElementNS(SVG, 'svg');
  private readonly paths: SVGPathElement[];
  private readonly values: (number | null)[][];

  constructor(plan: Plan) {
    this.plan = plan;
    this.values = plan.series.map(() => []);
    this.paths = plan.series.map((_, i) => {
      const path = document.createElementNS(SVG, 'path');
      if (i > 0) path.setAttribute('class', 'second');
      return path;
    });
    this.svg.setAttribute('viewBox', `0 0 ${SAMPLES - 1} ${HEIGHT}`);
    this.svg.setAttribute('preserveAspectRatio', 'none');
    this.svg.setAttribute('role', 'img');
    this.svg.append(...this.paths);
    const caption = make('figcaption', '', make('span', 'title', plan.title), this.now);
    this.figure = make('figure', 'chart', caption, this.svg);
    this.draw();
  }

  /** Adds the newest values, or a gap if there is no connection and thus no statistics. */
  push(statistics: Statistics | null): void {
    this.plan.series.forEach(({ of }, i) => {
      const values = this.values[i]!;
      values.push(statistics === null ? null : of(statistics));
      if (values.length > SAMPLES) values.shift();
    });
    this.draw();
  }

  private draw(): void {
    const { title, unit, least, digits, series } = this.plan;
    const most = Math.max(least, ...this.values.flat().map((value) => value ?? 0));
    this.paths.forEach((path, i) => void path.setAttribute('d', line(this.values[i]!, most)));
    const last = this.values.map((values) => values.at(-1)?.toFixed(digits) ?? '–');
    setText(this.now, `${last.map((value, i) => `${series[i]!.mark}${value}`).join(' ')} ${unit}`);
    const spoken = last.map((value, i) => `${series[i]!.name} ${value === '–' ? 'unknown' : `${value} ${unit}`}`);
    this.svg.setAttribute('aria-label', `${title} in the last minute; now ${spoken.join(', ')}`);
  }
}

/** Returns an SVG path through these values. The newest is at the right end, and a missing value leaves a gap. */
function line(values: readonly (number | null)[], most: number): string {
  let path = '';
  let pen = false;
  values.forEach((value, i) => {
    if (value !== null) {
      const y = HEIGHT - MARGIN - (value / most) * (HEIGHT - 2 * MARGIN);
      path += `${pen ? 'L' : 'M'}${SAMPLES - values.length + i} ${y.toFixed(2)}`;
    }
    pen = value !== null;
  });
  return path;
}

export class Charts {
  private readonly charts = PLANS.map((plan) => new Chart(plan));

  constructor() {
    byId('charts', HTMLDivElement).append(...this.charts.map(({ figure }) => figure));
  }

  push(statistics: Statistics | null): void {
    for (const chart of this.charts) chart.push(statistics);
  }
}
