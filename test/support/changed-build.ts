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
import { register } from 'node:module';

register('./changed-build-hooks.js', import.meta.url);
