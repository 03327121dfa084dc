/** Loaded before the server: the signal that ends it comes a second time as soon as nothing is left to wait for. */
process.once('SIGTERM', () => setImmediate(() => process.kill(process.pid, 'SIGTERM')));
