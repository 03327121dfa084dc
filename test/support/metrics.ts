/** Reads Prometheus' text format. */

/** The metrics of one scrape. */
export class Scrape {
  readonly text: string;
  /** Values by `name{labels}`. */
  private readonly samples = new Map<string, number>();
  /** By the metric's name. */
  readonly types = new Map<string, string>();
  readonly helps = new Map<string, string>();
  /** Label names by the metric's name, without `le`. */
  readonly labels = new Map<string, Set<string>>();

  constructor(text: string) {
    this.text = text;
    for (const line of text.split('\n')) this.take(line);
  }

  /** Returns a sample's value, or undefined if there is none. @param labels as in `{ kind: 'rtp' }`. */
  value(name: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
    return this.samples.get(key(name, labels));
  }

  /** Returns the sum of all samples of that name. */
  sum(name: string): number {
    let sum = 0;
    for (const [sample, value] of this.samples) if (sample.split('{')[0] === name) sum += value;
    return sum;
  }

  /** Number of samples. */
  get size(): number {
    return this.samples.size;
  }

  /** All values of all labels. */
  get labelValues(): string[] {
    return [...this.text.matchAll(/[{,]\w+="([^"]*)"/g)].map((match) => match[1]!);
  }

  private take(line: string): void {
    const comment = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line);
    if (comment !== null) {
      (comment[1] === 'HELP' ? this.helps : this.types).set(comment[2]!, comment[3]!);
      return;
    }
    const sample = /^([a-z0-9_]+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (sample === null) return;
    const labels = Object.fromEntries(
      [...(sample[2] ?? '').matchAll(/(\w+)="([^"]*)"/g)].map((match) => [match[1]!, match[2]!]),
    );
    this.samples.set(key(sample[1]!, labels), Number(sample[3]));
    const name = this.types.has(sample[1]!) ? sample[1]! : sample[1]!.replace(/_(?:bucket|sum|count)$/, '');
    const names = this.labels.get(name) ?? new Set();
    for (const label of Object.keys(labels)) if (label !== 'le') names.add(label);
    this.labels.set(name, names);
  }
}

/** Scrapes the operators' listener. @throws Error if it does not answer with 200. */
export async function scrape(adminUrl: string): Promise<Scrape> {
  const response = await fetch(`${adminUrl}/metrics`);
  if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`);
  return new Scrape(await response.text());
}

function key(name: string, labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}=${value}`);
  return `${name}{${pairs.sort().join()}}`;
}
