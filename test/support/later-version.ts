/**
 * Makes a server of this build behave as one of a later version. Loaded before the server with `node --import`; changes
 * its modules while they are loaded, as `LATER_VERSION` says:
 *
 * - `compatible`: its version is 99.0.0, each object in its messages has a member that this build does not know, and it
 *   sends messages of unknown types on every subject of the cluster.
 * - `incompatible`: its messages, and its media, are of version 2, and it keeps its records in another bucket.
 */
import { register } from 'node:module';

register('./later-version-hooks.js', import.meta.url);
