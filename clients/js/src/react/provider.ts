import { type ReactNode, createContext, createElement, useCallback, useContext, useEffect, useRef, useState, useSyncExternalStore } from 'react';

import { type Health, createClient, watchHealth } from '../index.js';
import type { Client, ClientOptions, ConnectionState } from '../types.js';

const FeedContext = createContext<Client | undefined>(undefined);

export interface FeedProviderProps {
  /** A client of yours, which stays open when the provider goes. */
  client?: Client;
  /** Or what to make one of. Read once: give the provider another `key` to connect elsewhere. */
  options?: ClientOptions;
  children?: ReactNode;
}

/** Gives a client to the hooks below it. One that it made closes with it. */
export function FeedProvider({ client, options, children }: FeedProviderProps) {
  const [own] = useState(() => client ?? make(options));
  const used = client ?? own;
  const mine = client === undefined;
  const closing = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => {
    if (!mine) return;
    clearTimeout(closing.current);
    used.connect();
    return () => {
      // StrictMode unmounts and mounts again at once, and that must not cost a connection.
      closing.current = setTimeout(() => used.close());
    };
  }, [used, mine]);
  return createElement(FeedContext.Provider, { value: used }, children);
}

function make(options: ClientOptions | undefined): Client {
  if (options === undefined) throw new Error('FeedProvider: give it a client, or options to make one of');
  return createClient(options); // which opens nothing yet, so rendering on a server is safe
}

/** The client of the nearest FeedProvider. */
export function useFeed(): Client {
  const client = useContext(FeedContext);
  if (client === undefined) throw new Error('useFeed: there is no FeedProvider above this component');
  return client;
}

/** How the connection is; "idle" on a server. */
export function useFeedState(): ConnectionState {
  const client = useFeed();
  const subscribe = useCallback((changed: () => void) => client.on('state', changed), [client]);
  return useSyncExternalStore(
    subscribe,
    () => client.state,
    () => 'idle' as const,
  );
}

const STARTING: Health = { state: 'idle', sinceMs: 0, reason: '', affected: 0, instruments: 0 };

/** Whether what is shown may be believed: the worst of the connection and of all that is subscribed; "idle" on a server. */
export function useHealth(): Health {
  const client = useFeed();
  const latest = useRef(STARTING);
  const subscribe = useCallback(
    (changed: () => void) =>
      watchHealth(client, (health) => {
        latest.current = health;
        changed();
      }),
    [client],
  );
  return useSyncExternalStore(
    subscribe,
    () => latest.current,
    () => STARTING,
  );
}
