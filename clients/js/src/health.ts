import type { Core } from './client.js';
import { dispose } from './listeners.js';
import { BOOK_REASON } from './subscriptions/instruments.js';
import type { ConnectionState, CoreClient, Listening, Stop } from './types.js';

/** suspect: prices of what is subscribed may be old, though the connection is well. syncing: they are being rebuilt, and rows follow. */
export type HealthState = ConnectionState | 'suspect' | 'syncing';

/** Whether what a page shows may be believed, as one state: the worst of the connection and of all that is subscribed. */
export interface Health {
  /** The connection's, unless that is live; then the worst of the instruments', and live where all is well. */
  readonly state: HealthState;
  /** Since when the client knows of this state, in milliseconds since the Unix epoch on its own clock. */
  readonly sinceMs: number;
  /** Why, in the server's words: of the connection, or of the first instrument in this state. Often empty where all is well. */
  readonly reason: string;
  /** Instruments that are suspect or syncing; 0 in all other states. */
  readonly affected: number;
  /** Instruments that are subscribed. */
  readonly instruments: number;
}

/** Instruments that nobody subscribes any more leave without an event. */
const LOOK_MS = 1000;
const EVENTS = ['source', 'status', 'instrument'] as const;

/**
 * Calls `fn` with the health of the client, at once and whenever it changes. Call it ahead of the first store, or at any time.
 * A book with a hole counts as little as its quotes suffer from it: see the store's `quality`.
 */
export function watchHealth(client: CoreClient, fn: (health: Health) => void, { signal }: Listening = {}): Stop {
  const { clock } = client as Core;
  let told: Health | undefined;
  let timer: unknown;
  let planned = false;
  let ended = false;
  let connectionReason = '';

  const look = () => {
    planned = false;
    if (ended) return;
    const now = healthOf(client as Core, connectionReason);
    clock.clearTimeout(timer);
    if (client.state === 'live') timer = clock.setTimeout(look, LOOK_MS);
    if (told?.state === now.state && told.reason === now.reason && told.affected === now.affected && told.instruments === now.instruments) return;
    told = { ...now, sinceMs: told?.state === now.state ? told.sinceMs : clock.now() };
    try {
      fn(told);
    } catch (thrown) {
      (client as Core).threw(thrown);
    }
  };
  // A source turns many instruments at once: they are judged together.
  const plan = () => {
    if (planned) return;
    planned = true;
    queueMicrotask(look);
  };

  const stops = [
    client.on('state', (e) => {
      connectionReason = e.reason ?? '';
      look();
    }),
    ...EVENTS.map((event) => client.on(event, plan)),
  ];
  const stop = () => {
    ended = true;
    clock.clearTimeout(timer);
    for (const each of stops) each();
    signal?.removeEventListener('abort', stop);
  };
  if (signal?.aborted) stop();
  else {
    signal?.addEventListener('abort', stop);
    look();
  }
  return Object.assign(stop, { [dispose]: stop });
}

function healthOf({ state, feed }: Core, connectionReason: string): Omit<Health, 'sinceMs'> {
  const first = { suspect: '', syncing: '' };
  const affected = { suspect: 0, syncing: 0 };
  let instruments = 0;
  for (const { status, watchers } of feed?.instruments.bySymbol.values() ?? []) {
    if (watchers.size === 0) continue;
    instruments++;
    const { quality, reason } = status;
    if ((quality !== 'suspect' && quality !== 'syncing') || reason.startsWith(BOOK_REASON)) continue;
    if (affected[quality]++ === 0) first[quality] = reason;
  }
  if (state !== 'live') return { state, reason: connectionReason, affected: 0, instruments };
  const worst = affected.suspect > 0 ? 'suspect' : affected.syncing > 0 ? 'syncing' : undefined;
  return worst === undefined ? { state, reason: '', affected: 0, instruments } : { state: worst, reason: first[worst], affected: affected[worst], instruments };
}
