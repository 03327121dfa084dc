/** Loaded before the server: sends it SIGTERM as soon as its first worker starts, long before it listens. */
process.once('worker', () => process.kill(process.pid, 'SIGTERM'));
