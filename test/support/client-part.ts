/** Runs parts of the browser client that need no browser in this process. */
import { bundleClient } from '../../client/build.ts';

/** Imports a module of `client/src` by name; it has its own copy of all that it imports. */
export async function importClientPart<T>(entry: string): Promise<T> {
  const bundle = Buffer.from(await bundleClient({ entry, minify: false }));
  return import(`data:text/javascript;base64,${bundle.toString('base64')}`);
}
