/** Loaded before the server: a signal as soon as its first worker begins, long before it listens. */
process.once('worker', () => process.kill(process.pid, 'SIGTERM'));
