/** Tabs that share a connection, over message channels as browsers have them, and a server in the test's hands. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { fallback } from '../src/fallback/index.js';
import type { BookChange, ClientOptions, TradeEvent } from '../src/types.js';
import { Host, type Port } from '../src/worker/host.js';
import { TabClient, type TabPort } from '../src/worker/tab.js';
import { FakeClock } from './support/clock.js';
import { Gateway } from './support/gateway.js';
import { Network } from './support/network.js';
import { Server } from './support/server.js';

/** A worker, its tabs, and the server that the worker connects to. */
class Site {
  readonly clock = new FakeClock();
  readonly network = new Network();
  readonly server: Server;
  readonly tabs: TabClient[] = [];
  readonly #host: Host;

  constructor(symbols: readonly string[]) {
    this.server = new Server(this.clock, symbols);
    this.network.onDial = (socket) => queueMicrotask(() => this.server.accept(socket));
    this.#host = new Host({ WebSocket: this.network.WebSocket, clock: this.clock, random: () => 0.5 });
  }

  tab(options: Partial<ClientOptions> = {}): TabClient {
    const tab = new TabClient({ url: 'ws://feed/v1/ws', clock: this.clock, ...options }, () => {
      const { port1, port2 } = new MessageChannel();
      this.#host.attach(port2 as unknown as Port);
      return port1 as unknown as TabPort;
    });
    this.tabs.push(tab);
    return tab;
  }

  /** Messages of channels arrive in their own time. */
  async settle(): Promise<void> {
    for (let i = 0; i < 8; i++) await new Promise((resolve) => setTimeout(resolve));
  }

  async flush(): Promise<void> {
    this.server.flush();
    await this.settle();
  }

  end(): void {
    for (const tab of this.tabs) tab.close();
  }
}

let site: Site;
const open = (...symbols: string[]) => (site = new Site(symbols));
afterEach(() => site.end());

describe('tabs that share a worker', () => {
  it('have what the most generous of them allows', async () => {
    const s = open('a:X');
    const [one, two] = [s.tab(), s.tab()];
    one.setCeiling(5000);
    for (const tab of [one, two]) tab.quotes(['a:X']);
    await s.settle();
    const told = () => s.server.last.asked('setRate').flatMap((r) => r.maxBytesPerSecond ?? []);
    expect(told().at(-1) ?? 0).toBe(0);
    two.setCeiling(20_000);
    await s.settle();
    expect(told().at(-1)).toBe(20_000);
    two.close();
    await s.settle();
    expect(told().at(-1)).toBe(5000);
  });

  it('go by HTTP where no WebSocket gets through to the worker', async () => {
    const s = open('a:X');
    s.network.onDial = (socket) => queueMicrotask(() => socket.end());
    const gateway = new Gateway(s.server);
    vi.stubGlobal('fetch', gateway.fetch);
    try {
      const tab = s.tab({ transports: fallback() });
      const store = tab.quotes(['a:X']);
      for (let n = 0; tab.transport === undefined && n < 100; n++) {
        await s.clock.advance(100);
        await s.settle();
      }
      s.server.quote('a:X', 5);
      await s.flush();
      expect([tab.state, tab.transport, store.stats.transport, store.get('a:X')?.bid]).toEqual(['live', 'stream', 'stream', 5]);
      tab.close();
      await s.settle();
      expect(gateway.connections.map((c) => c.socket.live)).toEqual([false]);
    } finally {
      vi.unstubAllGlobals();
    }
  });

  it('have one connection, and the same prices', async () => {
    const s = open('a:X', 'a:Y');
    const [one, two] = [s.tab(), s.tab()];
    const quotes = [one.quotes(['a:X'], { cadenceMs: 100 }), two.quotes(['a:X', 'a:Y'], { cadenceMs: 500 })];
    await s.settle();
    s.server.quote('a:X', 100);
    s.server.quote('a:Y', 200);
    await s.flush();
    expect(s.network.sockets.length).toBe(1);
    expect(quotes[0]!.get('a:X')).toMatchObject({ bid: 100, ask: 101, quality: 'ok', instrument: { symbol: 'a:X', priceScale: 2 } });
    expect(quotes[1]!.rows().map((row) => row.bid)).toEqual([100, 200]);
    expect(quotes[1]!.symbols()).toEqual(['a:X', 'a:Y']);
    expect(one.state).toBe('live');
    expect(two.session).toBe(one.session);
    expect(quotes[0]!.grant).toMatchObject({ cadenceMs: 100 });
    expect(await quotes[1]!.ready()).toEqual(new Map([['a:X', { ok: true }], ['a:Y', { ok: true }]].map(([k, v]) => [k, expect.objectContaining(v as object)])));
    expect(quotes[0]!.stats).toMatchObject({ rows: 1, batches: 1 });
  });

  it('come late and find what is there', async () => {
    const s = open('a:X');
    const early = s.tab();
    const tape = early.trades(['a:X'], { history: 10 });
    const depth = early.book('a:X', { depth: 5 });
    await s.settle();
    for (let price = 1; price <= 3; price++) s.server.trade('a:X', price);
    s.server.level('a:X', 'bids', 100, 1);
    s.server.level('a:X', 'bids', 99, 2);
    s.server.level('a:X', 'asks', 101, 3);
    await s.flush();

    const late = s.tab();
    const events: TradeEvent[] = [];
    const changes: BookChange[] = [];
    const lateTape = late.trades(['a:X'], { history: 10 });
    lateTape.subscribe((batch) => void events.push(...batch));
    const lateDepth = late.book('a:X', { depth: 5 });
    lateDepth.subscribe((change) => void changes.push(change));
    await s.settle();
    expect(lateTape.get('a:X').map((trade) => trade.price)).toEqual(tape.get('a:X').map((trade) => trade.price));
    expect(changes.at(-1)).toMatchObject({ reset: true });
    expect([lateDepth.bids.price(0), lateDepth.bids.length, lateDepth.asks.size(0), lateDepth.complete]).toEqual([100, 2, 3, true]);
    expect(lateDepth.instrument?.symbol).toBe('a:X');

    s.server.trade('a:X', 4);
    s.server.level('a:X', 'bids', 100, 0);
    await s.flush();
    expect(lateTape.get('a:X').map((trade) => trade.price)).toEqual([1, 2, 3, 4]);
    expect(events.map((e) => e.type)).toEqual(['trade', 'trade', 'trade', 'trade']);
    expect(lateDepth.bids.price(0)).toBe(99);
    expect(depth.bids.price(0)).toBe(99);
    expect(changes.at(-1)).toMatchObject({ reset: false, bids: [{ price: 100, size: 0 }] });
  });

  it('are told why a symbol is refused, and of mistakes', async () => {
    const s = open('a:X');
    const tab = s.tab();
    const errors: string[] = [];
    tab.on('error', (e) => void errors.push(e.code));
    const store = tab.quotes(['a:X', 'a:NOPE']);
    expect((await store.ready()).get('a:NOPE')).toMatchObject({ ok: false, code: 'unknown-symbol' });
    const stranger = s.tab({ url: 'ws://elsewhere/v1/ws' });
    stranger.on('error', (e) => void errors.push(`${e.code}: ${e.text}`));
    stranger.connect();
    await s.settle();
    expect(errors.at(-1)).toContain('bad-option: url ws://elsewhere/v1/ws: this worker is connected to ws://feed/v1/ws');
  });

  it('change rates, and take their subscriptions with them', async () => {
    const s = open('a:X', 'a:Y');
    const [one, two] = [s.tab(), s.tab()];
    const store = one.quotes(['a:X'], { cadenceMs: 1000 });
    two.quotes(['a:Y']);
    await s.settle();
    const session = s.server.sessions.at(-1)!;
    store.setRate(100);
    await s.settle();
    expect(session.asked('setRate').at(-1)).toMatchObject({ cadenceMs: 100 });
    two.close();
    await s.settle();
    expect(session.asked('unsubscribe')).toHaveLength(1);
    expect(two.state).toBe('closed');
    one.close();
    await s.settle();
    expect(s.network.live).toEqual([]);
  });

  it('give the worker a token, whichever of them has one', async () => {
    const s = open('a:X');
    s.server.tokens = new Set(['good']);
    const frozen = s.tab({ getToken: () => Promise.reject(new Error('signed out')) });
    frozen.connect();
    const tab = s.tab({ getToken: () => 'good' });
    const store = tab.quotes(['a:X']);
    await s.settle();
    await s.clock.advance(1000); // the first attempt may have found only the first tab
    await s.settle();
    s.server.quote('a:X', 100);
    await s.flush();
    expect(store.get('a:X')).toMatchObject({ bid: 100 });
  });

  it('doubt a worker that says nothing', async () => {
    const s = open('a:X');
    const tab = s.tab();
    tab.quotes(['a:X']);
    await s.settle();
    expect(tab.state).toBe('live');
    const states: string[] = [];
    tab.on('state', (e) => void states.push(e.state));
    // The tab's clock says that a minute has passed without a word, as it would behind a worker that hangs.
    vi.spyOn(s.clock, 'now').mockReturnValue(s.clock.now() + 60_000);
    await vi.waitFor(() => expect(states).toEqual(['stalled', 'live']), { timeout: 20_000 });
    vi.restoreAllMocks();
  });
});
