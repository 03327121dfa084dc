/** Finds the row of a table of routes that a request is about. It knows none of them. */
import { METHODS } from 'node:http';
import FindMyWay from 'find-my-way';
import { type ProblemKind, RequestError } from '../errors.ts';
import { isEscapedWell, pathOf } from './paths.ts';

/** How much of a bad path is repeated to the client, characters. */
const MAX_SHOWN = 100;

/** One route. */
export interface Row {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** A part that begins with a colon is a parameter. */
  readonly path: string;
  /** Further paths, on which the last parameter is empty. */
  readonly aliases?: readonly string[];
  /** The problem with a path below this one that cannot be decoded; `bad-request` unless given. */
  readonly badPath?: ProblemKind;
}

/** Parts of the path by the names of the parameters, decoded. */
export type Params = Readonly<Record<string, string | undefined>>;

export class RouteTable<R extends Row> {
  private readonly rows: readonly R[];
  private readonly router: FindMyWay.Instance<FindMyWay.HTTPVersion.V1>;

  /** @param maxParamLength characters of a parameter; the handlers judge what is too long. */
  constructor(rows: readonly R[], maxParamLength: number) {
    this.rows = rows;
    this.router = FindMyWay({ maxParamLength });
    for (const row of rows) {
      for (const path of [row.path, ...(row.aliases ?? [])]) this.router.on(row.method, path, () => undefined, { row });
    }
  }

  /** The row for a request, or null. @param url with or without its query. */
  match(method: string | undefined, url: string | undefined): { row: R; params: Params } | null {
    const found = this.router.find(method as FindMyWay.HTTPMethod, url ?? '');
    return found === null ? null : { row: (found.store as { row: R }).row, params: found.params };
  }

  /**
   * The row for a request.
   *
   * @throws RequestError that says what is wrong with the path or method.
   */
  find(method: string | undefined, url: string | undefined): { row: R; params: Params } {
    const found = this.match(method, url);
    if (found !== null) return found;
    const path = pathOf(url);
    if (!isEscapedWell(path)) {
      const detail = `The path ${JSON.stringify(path.slice(0, MAX_SHOWN))} is badly escaped: percent-encode it as UTF-8.`;
      throw new RequestError(this.nearest(path)?.badPath ?? 'bad-request', detail);
    }
    const allowed = METHODS.filter((other) => this.match(other, path) !== null).join(', ');
    if (allowed === '') throw new RequestError('not-found', `There are ${this.listed()}.`);
    throw new RequestError('method-not-allowed', `${method} is not allowed here; allowed: ${allowed}.`, {
      Allow: allowed,
    });
  }

  /** The row that a path begins with up to its parameters, right or not. @param method any unless given. */
  nearest(path: string, method?: string): R | undefined {
    return this.rows.find((row) => {
      const fixed = row.path.split('/:', 1)[0]!;
      return (method === undefined || row.method === method) && `${path}/`.toLowerCase().startsWith(`${fixed}/`);
    });
  }

  /** All of them, as people read them. */
  private listed(): string {
    const methods = new Map<string, string[]>();
    for (const { method, path } of this.rows) methods.set(path, [...(methods.get(path) ?? []), method]);
    const all = Array.from(methods, ([path, each]) => `${each.join(' or ')} ${path}`);
    const last = all.pop();
    return all.length === 0 ? `${last}` : `${all.join(', ')} and ${last}`;
  }
}
