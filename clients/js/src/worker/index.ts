/**
 * One connection for all tabs of a site, in a SharedWorker. Where there is none (or it does not start) each tab has a
 * connection of its own, as without this.
 */
import { createClient } from '../index.js';
import type { Client, ClientOptions } from '../types.js';
import { TabClient, type TabPort } from './tab.js';

export interface SharedOptions extends ClientOptions {
  /**
   * Makes the worker, where a bundler does not find it by itself: a module that calls serveTabs of
   * "@feedd/client/worker/host". Give workers of different addresses different names.
   */
  worker?: () => SharedWorker;
  /** How long the worker may take to start, in milliseconds; default 5,000. */
  startMs?: number;
}

export interface SharedClient extends Client {
  /** Whether tabs share the connection. */
  readonly shared: boolean;
}

/** Makes a client, of the worker where that is possible. Of what tabs ask of the connection, the first one's word counts. */
export async function createSharedClient(options: SharedOptions): Promise<SharedClient> {
  const { worker = () => ownWorker(options.url), startMs = 5000, ...rest } = options;
  try {
    const first = await started(worker, startMs);
    let port: TabPort | undefined = first;
    const client = new TabClient(rest, () => {
      const open = port ?? (worker().port as unknown as TabPort); // after the back-forward cache, anew
      port = undefined;
      return open;
    });
    client.connect();
    return client;
  } catch {
    return Object.assign(createClient(rest), { shared: false });
  }
}

function ownWorker(url: string): SharedWorker {
  return new SharedWorker(new URL('./script.js', import.meta.url), { type: 'module', name: `feedd ${url}` });
}

/** A way to a worker that runs. Throws where there is none. */
function started(make: () => SharedWorker, startMs: number): Promise<TabPort> {
  return new Promise((resolve, reject) => {
    if (typeof SharedWorker === 'undefined') throw new Error('no SharedWorker here');
    const worker = make();
    const timer = setTimeout(() => reject(new Error('the worker does not start')), startMs);
    worker.onerror = () => {
      clearTimeout(timer);
      reject(new Error('the worker cannot be loaded'));
    };
    // The worker greets each tab, so that a tab knows that there is somebody to talk to.
    worker.port.onmessage = () => {
      clearTimeout(timer);
      worker.port.onmessage = null;
      resolve(worker.port as unknown as TabPort);
    };
  });
}
