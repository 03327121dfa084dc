/** The strip of small charts: the last minute of round trip, loss, jitter and bit rate. */
import type { Statistics } from '@beep/webrtc-client';
import { byId, make, setText } from './dom.ts';

const SVG = 'http://www.w3.org/2000/svg';
const SAMPLES = 60;
const HEIGHT = 30;
/** Room above the highest value and below zero, so that lines are not cut. */
const MARGIN = 1.5;

interface Series {
  /** What stands before its value; nothing if it is the only one. */
  readonly mark: string;
  /** The same in words. */
  readonly name: string;
  readonly of: (statistics: Statistics) => number | null;
}

interface Plan {
  readonly title: string;
  readonly unit: string;
  /** What the chart's height stands for at least: small changes of small values are to look small. */
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

/** One chart, in the document from the start. */
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

  /** Takes the newest values; without statistics, there was no connection. */
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
    const spoken = last.map((value, i) => `${series[i]!.name} ${value === '–' ? 'not known' : `${value} ${unit}`}`);
    this.svg.setAttribute('aria-label', `${title} in the last minute; now ${spoken.join(', ')}`);
  }
}

/** A path through these values, the newest at the right end, with gaps where there is none. */
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
