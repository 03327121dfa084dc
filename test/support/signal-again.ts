/** Loaded before the server: sends it a second SIGTERM as soon as the handlers of the first have run. */
process.once('SIGTERM', () => setImmediate(() => process.kill(process.pid, 'SIGTERM')));
