/**
 * Makes a server of this build behave as another one would. Loaded before the server with `node --import`; changes its
 * modules while they are loaded, as `CHANGED_BUILD` says:
 *
 * - `compatible`: a later version. It is 99.0.0, each object in its messages has a member that this build does not know,
 *   and it sends messages of unknown types on every subject of the cluster.
 * - `incompatible`: a later version whose messages, and whose media, are of version 2. It keeps its records in another
 *   bucket.
 * - `relay-fault`: its relay throws at the hundredth packet.
 */

import type { LoadFnOutput } from 'node:module';
import * as modules from 'node:module';
import { changed } from './changed-build-hooks.ts';

/** What Node.js has since 22.15: hooks that run in this thread, with the answer at once. */
interface NewerNode {
  readonly registerHooks?: (hooks: {
    readonly load: (url: string, context: object, next: (url: string, context: object) => LoadFnOutput) => LoadFnOutput;
  }) => void;
}

// Node.js 26 warns of `register`, and 20 has nothing else.
const { registerHooks } = modules as typeof modules & NewerNode;
if (registerHooks === undefined) modules.register('./changed-build-hooks.js', import.meta.url);
else registerHooks({ load: (url, context, next) => changed(url, next(url, context)) });
