/** Loaded before the server: it throws, or rejects, what it is told to by message, where nothing catches it. */
process.on('message', (how: 'throw' | 'reject') => {
  setImmediate(() => {
    if (how === 'reject') void Promise.reject(new Error('a test rejected this'));
    else throw new Error('a test threw this');
  });
});
