import type { Environment, EnvironmentChange } from './types.js';

/** The page that this runs in, if it is one; workers know of the network alone, and servers of nothing. */
export function pageEnvironment(): Environment {
  return {
    get hidden() {
      return globalThis.document?.visibilityState === 'hidden';
    },
    listen(fn) {
      const { document } = globalThis;
      const stop = new AbortController();
      const on = (target: EventTarget | undefined, type: string, change: EnvironmentChange, transition = false) =>
        target?.addEventListener?.(type, (e) => (!transition || (e as PageTransitionEvent).persisted) && fn(change), { signal: stop.signal });
      on(globalThis, 'online', 'online');
      on(globalThis, 'offline', 'offline');
      on(document, 'visibilitychange', 'visibility');
      on(document, 'freeze', 'freeze');
      on(document, 'resume', 'resume');
      // A page in the back-forward cache is a frozen one, and one with an open socket would not be let in there.
      if (document !== undefined) {
        on(globalThis, 'pagehide', 'freeze', true);
        on(globalThis, 'pageshow', 'resume', true);
      }
      return () => stop.abort();
    },
  };
}
