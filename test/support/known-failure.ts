/** What does not work for a reason outside of this project, so that somebody notices when it does. */

/**
 * Returns the body of a scenario that passes as long as something fails as it is known to, and fails once it works.
 *
 * @param works tries it, and resolves with whether it works; throws if it fails in another way than the known one.
 * @param then what to do once it works, for the error.
 */
export function knownToFail<T>(works: (given: T) => Promise<boolean>, then: string): (given: T) => Promise<void> {
  return async (given) => {
    if (await works(given)) throw new Error(`it works now: ${then}`);
  };
}
