/** Nothing stays behind: no client, listener, timer or subscription. */
import { getEventListeners, setMaxListeners } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createClient } from '../src/index.js';
import { FakeClock, settle } from './support/clock.js';
import { Network } from './support/network.js';
import { Server } from './support/server.js';
import { World } from './support/world.js';

setFlagsFromString('--expose_gc');
const gc = runInNewContext('gc') as () => void;

/** Collects until it is so. What was looked at through a weak reference lives to the end of that turn of the loop. */
async function collectUntil(done: () => boolean): Promise<void> {
  for (let i = 0; i < 50 && !done(); i++) {
    await settle();
    gc();
    await settle();
  }
}

afterEach(() => vi.unstubAllGlobals());

/** Makes a client, lets it live a little, and returns what must not outlive it. */
async function live(clock: FakeClock, signal: AbortSignal, n: number): Promise<WeakRef<object>[]> {
  const network = new Network();
  const server = new Server(clock, ['a:X']);
  network.onDial = (socket) => queueMicrotask(() => server.accept(socket));
  const client = createClient({ url: 'ws://feed/', WebSocket: network.WebSocket, clock, random: () => 0.5, signal, getToken: () => 'token' });
  client.on('state', () => {}, { signal });
  const quotes = client.quotes(['a:X', '*'], { signal });
  const trades = client.trades(['a:X']);
  const book = client.book('a:X');
  quotes.subscribe(() => {}, { signal });
  const loop = quotes[Symbol.asyncIterator]();
  void loop.next();
  await settle();
  server.quote('a:X', n);
  server.trade('a:X', n);
  server.level('a:X', 'bids', n, 1);
  server.flush();
  await settle();
  expect(quotes.get('a:X')!.bid).toBe(n);
  // A third each: all is ended in order, the client alone is, a stall and a wait for the next attempt are cut off.
  if (n % 3 === 0) for (const store of [quotes, trades, book]) store[Symbol.dispose]();
  if (n % 3 === 2) network.last.end(1006);
  client[Symbol.dispose]();
  quotes.close();
  await settle();
  return [client, quotes, trades, book, network.last].map((o) => new WeakRef<object>(o));
}

describe('a thousand clients', () => {
  it('that came and went leave nothing', async () => {
    const [page, window] = [new EventTarget(), new EventTarget()];
    vi.stubGlobal('document', Object.assign(page, { visibilityState: 'visible' }));
    vi.stubGlobal('addEventListener', window.addEventListener.bind(window));
    const clock = new FakeClock();
    const { signal } = new AbortController();
    setMaxListeners(Infinity, signal);
    const refs: WeakRef<object>[] = [];
    for (let n = 0; n < 1000; n++) refs.push(...(await live(clock, signal, n)));
    const left = () => refs.filter((ref) => ref.deref() !== undefined).length;
    // The engine's own caches may hold on to one or two of the 5,000.
    await collectUntil(() => left() <= 10);
    expect(left()).toBeLessThanOrEqual(10);
    const listeners = ['online', 'offline', 'pagehide', 'pageshow'].flatMap((type) => getEventListeners(window, type));
    expect(listeners.concat(['visibilitychange', 'freeze', 'resume'].flatMap((type) => getEventListeners(page, type)))).toEqual([]);
    expect(getEventListeners(signal, 'abort')).toEqual([]); // though it outlives them all
    expect(clock.waiting).toBe(0);
  });
});

describe('five hundred subscriptions', () => {
  it('that came and went leave nothing at the client, and nothing at the server', async () => {
    const symbols = Array.from({ length: 40 }, (_, i) => `a:S${i}`);
    const w = new World(symbols);
    const session = await w.up();
    const { signal } = new AbortController();
    const cycle = async (n: number) => {
      const some = [symbols[n % 40]!, symbols[(n * 7) % 40]!, `a:S${n % 10}*`, 'b:NONE', 'c:*'];
      const stores = [
        w.client.quotes(some, { cadenceMs: n % 2 === 0 ? 100 : 0, signal }),
        w.client.trades(some, { history: 5 }),
        w.client.book(symbols[n % 40]!),
      ];
      stores[0]!.onResult(() => {});
      await settle();
      w.server.quote(symbols[n % 40]!, n);
      w.server.trade(symbols[n % 40]!, n);
      await w.flush();
      for (const store of stores) store.close();
      await w.clock.advance(200);
    };
    for (let n = 0; n < 100; n++) await cycle(n);
    await w.clock.advance(5000);
    gc();
    const before = process.memoryUsage().heapUsed;
    session.requests.length = 0;
    for (let n = 100; n < 600; n++) {
      await cycle(n);
      session.requests.length = 0; // the fake's own memory
      w.states.length = w.errors.length = 0;
    }
    await w.clock.advance(5000);
    expect(session.subscriptions.size).toBe(0);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    for (const market of w.server.markets.values()) market.log.length = 0;
    await collectUntil(() => process.memoryUsage().heapUsed - before < 1 << 20);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(1 << 20);
    expect(w.client.state).toBe('live');
  });
});
