/** Finds the row of a table that fits a request, and says what is wrong with a request that fits none. */
import { METHODS } from 'node:http';
import FindMyWay from 'find-my-way';
import { type ProblemKind, RequestError } from '../errors.ts';
import { isEscapedWell, pathOf } from './paths.ts';

/** How much of a bad path is shown to the client, characters. */
const MAX_SHOWN = 100;

/** One route. */
export interface Row {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** A segment that begins with a colon is a parameter. */
  readonly path: string;
  /** Further paths of the same route, without its last parameter. */
  readonly aliases?: readonly string[];
  /** The problem of a path below this one that cannot be decoded; `bad-request` by default. */
  readonly badPath?: ProblemKind;
}

/** The decoded parameters, by name. */
export type Params = Readonly<Record<string, string | undefined>>;

export class RouteTable<R extends Row> {
  private readonly rows: readonly R[];
  private readonly router: FindMyWay.Instance<FindMyWay.HTTPVersion.V1>;

  /** @param maxParamLength no row fits a longer parameter, characters. */
  constructor(rows: readonly R[], maxParamLength: number) {
    this.rows = rows;
    this.router = FindMyWay({ maxParamLength });
    for (const row of rows) {
      for (const path of [row.path, ...(row.aliases ?? [])]) this.router.on(row.method, path, () => undefined, { row });
    }
  }

  /** Returns the row that fits a request, or null. @param url the request target, with or without a query. */
  match(method: string | undefined, url: string | undefined): { row: R; params: Params } | null {
    const found = this.router.find(method as FindMyWay.HTTPMethod, url ?? '');
    return found === null ? null : { row: (found.store as { row: R }).row, params: found.params };
  }

  /**
   * Returns the row that fits a request.
   *
   * @throws RequestError `not-found`, `method-not-allowed`, or the problem of a path that cannot be decoded.
   */
  find(method: string | undefined, url: string | undefined): { row: R; params: Params } {
    const found = this.match(method, url);
    if (found !== null) return found;
    const path = pathOf(url);
    if (!isEscapedWell(path)) {
      const shown = JSON.stringify(path.slice(0, MAX_SHOWN));
      const detail = `The path ${shown} is badly escaped: percent-encode it as UTF-8.`;
      throw new RequestError(this.nearest(path)?.badPath ?? 'bad-request', detail);
    }
    const allowed = METHODS.filter((other) => this.match(other, path) !== null).join(', ');
    if (allowed === '') throw new RequestError('not-found', `There are ${this.listed()}.`);
    throw new RequestError('method-not-allowed', `${method} is not allowed here; allowed: ${allowed}.`, {
      Allow: allowed,
    });
  }

  /** Returns a row whose path, up to its parameters, a path begins with. @param method only rows with this one. */
  nearest(path: string, method?: string): R | undefined {
    return this.rows.find((row) => {
      const fixed = row.path.split('/:', 1)[0]!;
      return (method === undefined || row.method === method) && `${path}/`.toLowerCase().startsWith(`${fixed}/`);
    });
  }

  /** Lists all routes in words. */
  private listed(): string {
    const methods = new Map<string, string[]>();
    for (const { method, path } of this.rows) methods.set(path, [...(methods.get(path) ?? []), method]);
    const all = Array.from(methods, ([path, each]) => `${each.join(' or ')} ${path}`);
    const last = all.pop();
    return all.length === 0 ? `${last}` : `${all.join(', ')} and ${last}`;
  }
}
