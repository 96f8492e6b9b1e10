/** What a client of the real server sees of its market. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { BarEvent, BookChange, BookSide, QuoteRow, StatsRow, SummaryRow, TradeEvent, TradeRow } from '../../src/index.js';
import { RealServer, when } from './server.js';

let server: RealServer;
beforeAll(async () => void (server = await RealServer.start()));
afterEach(() => server.closeClients());
afterAll(() => server.clean());
const connect = () => server.connect();

describe('the real server', () => {
  it('moves the test instrument', async () => {
    const { feed, errors } = connect();
    const store = feed.quotes(['test:FAKE'], { cadenceMs: 0 });
    const bids = new Set<number | null>();
    await when<readonly QuoteRow[]>(
      (fn) => store.subscribe(fn),
      (rows) => {
        rows.forEach((r) => bids.add(r.bid));
        return bids.size >= 3;
      },
    );
    const row = store.get('test:FAKE')!;
    expect(row.instrument).toMatchObject({ symbol: 'test:FAKE' });
    expect(row.bid!).toBeLessThan(row.ask!);
    expect(row.quality).toBe('ok');
    expect(store.grant).toEqual({ cadenceMs: 0, delayMs: 0, depth: 0, reason: 'wished' });
    expect(feed.latency.rttMs).toBeGreaterThanOrEqual(0);
    expect(Math.abs(feed.latency.clockOffsetMs!)).toBeLessThan(1000);
    expect(errors).toEqual([]);
  });

  it('matches patterns, refuses with reasons, and rounds the rate', async () => {
    const { feed } = connect();
    const store = feed.quotes(['sim:*', 'sim:NOT-LISTED', 'nowhere:*'], { cadenceMs: 120 });
    await when<readonly QuoteRow[]>(
      (fn) => store.subscribe(fn),
      () => store.rows().length >= 10 && store.grant !== undefined,
    );
    expect(store.symbols().length).toBeGreaterThanOrEqual(10);
    expect(store.results.get('sim:NOT-LISTED')).toMatchObject({
      ok: false,
      code: 'unknown-symbol',
      text: expect.stringContaining('NOT-LISTED'),
    });
    expect(store.results.get('nowhere:*')).toMatchObject({ ok: false, code: 'no-match' });
    expect(store.grant!.reason).toBe('rounded');
    const changed = when<{ cadenceMs: number }>(
      (fn) => store.onGrant(fn),
      (g) => g.cadenceMs === 1000,
    );
    store.setRate(1000);
    await changed;
  });

  it('gives every trade in order', async () => {
    const { feed, errors } = connect();
    const store = feed.trades(['sim:*', 'test:FAKE'], { history: 5 });
    const last = new Map<string, TradeEvent>();
    let count = 0;
    await when<readonly TradeEvent[]>(
      (fn) => store.subscribe(fn),
      (events) => {
        for (const e of events) {
          const [symbol, epoch, from, to] =
            e.type === 'trade'
              ? [e.trade.symbol, e.trade.epoch, e.trade.sequence, e.trade.sequence]
              : [e.symbol, e.epoch, e.from, e.to];
          const before = last.get(symbol) as unknown as [unknown, number] | undefined;
          if (before !== undefined && before[0] === epoch) expect(from).toBe(before[1] + 1);
          last.set(symbol, [epoch, to] as never);
          if (e.type === 'trade') count++;
        }
        return count >= 500;
      },
    );
    expect(errors).toEqual([]);
  });

  it('hides and shows', async () => {
    const { feed } = connect();
    const store = feed.quotes(['sim:*'], { cadenceMs: 100 });
    await when<readonly QuoteRow[]>(
      (fn) => store.subscribe(fn),
      () => true,
    );
    const hidden = when<{ reason: string }>(
      (fn) => store.onGrant(fn),
      (g) => g.reason === 'hidden',
    );
    feed.setVisibility('hidden');
    await hidden;
    const shown = when<{ reason: string }>(
      (fn) => store.onGrant(fn),
      (g) => g.reason === 'wished',
    );
    feed.setVisibility('shown');
    await shown;
  });

  it('has books at any depth and grouping that agree with each other and with their checksums', async () => {
    const { feed, errors } = connect();
    const all = feed.book('sim:BTC-USD', { cadenceMs: 0 });
    const ten = feed.book('sim:BTC-USD', { depth: 10, cadenceMs: 0 });
    const grouped = feed.book('sim:BTC-USD', { depth: 10, priceGroup: 1000, cadenceMs: 0 });
    await when<BookChange>((fn) => all.subscribe(fn), () => all.checksums.right >= 2 && ten.complete && grouped.complete);
    const top = (side: BookSide, n: number) => Array.from({ length: Math.min(n, side.length) }, (_, i) => [side.price(i), side.size(i)]);
    // All three go out at once, and an immediate cut is one moment: they meet whenever the last of them is drawn.
    await when<BookChange>(
      (fn) => all.subscribe(fn),
      () => all.times!.cutTimeUs === ten.times!.cutTimeUs && JSON.stringify([top(all.bids, 10), top(all.asks, 10)]) === JSON.stringify([top(ten.bids, 10), top(ten.asks, 10)]),
    );
    expect(all.bids.length).toBeGreaterThan(10);
    expect(all.bids.price(0)).toBeLessThan(all.asks.price(0));
    for (const side of [grouped.bids, grouped.asks]) for (const [price] of top(side, 10)) expect(price! % 1000).toBe(0);
    expect(all.checksums.wrong + ten.checksums.wrong + grouped.checksums.wrong).toBe(0);
    expect([all.quality, errors]).toEqual(['ok', []]);
  });

  it('makes bars and sums of the trades that it sends', async () => {
    const { feed, errors } = connect();
    const symbol = 'sim:BTC-USD';
    const tape: TradeRow[] = [];
    const trades = feed.trades([symbol], { cadenceMs: 0, buffer: 1 });
    trades.subscribe((events) => tape.push(...events.flatMap((e) => (e.type === 'trade' ? [e.trade] : []))));
    const sums: SummaryRow[] = [];
    feed.tradeSummaries([symbol], { cadenceMs: 250 }).subscribe((rows) => sums.push(...rows));
    const bars = feed.bars([symbol], { seconds: 1, history: 5, cadenceMs: 0 });
    const started = Math.floor(feed.serverNow() / 1000) + 1; // the first second of which the whole tape is here
    const closed = await when<readonly BarEvent[]>(
      (fn) => bars.subscribe(fn),
      (events) => events.some((e) => e.type === 'bar' && e.bar.closed && e.bar.startS > started + 1),
    );
    const bar = closed.flatMap((e) => (e.type === 'bar' && e.bar.closed && e.bar.startS > started + 1 ? [e.bar] : []))[0]!;
    const within = tape.filter((t) => Math.floor((t.exchangeTimeUs ?? t.ingestTimeUs) / 1_000_000) === bar.startS);
    const prices = within.map((t) => t.price);
    expect([bar.open, bar.high, bar.low, bar.close, bar.volume, bar.trades]).toEqual([
      prices[0], Math.max(...prices), Math.min(...prices), prices.at(-1), within.reduce((sum, t) => sum + t.size, 0), within.length,
    ]);
    expect(bars.get(symbol).map((b) => b.startS)).toEqual([...new Set(bars.get(symbol).map((b) => b.startS))].sort((a, b) => a - b));
    // A sum speaks of the trades behind the one before it, up to its own last.
    const [before, after] = sums.slice(-3);
    const between = tape.filter((t) => t.sequence > before!.sequence && t.sequence <= after!.sequence);
    expect([after!.trades, after!.volume, after!.last]).toEqual([between.length, between.reduce((sum, t) => sum + t.size, 0), between.at(-1)!.price]);
    expect(errors).toEqual([]);
  });

  it('keeps statistics in step with the last price', async () => {
    const { feed, errors } = connect();
    const store = feed.stats(['sim:*'], { cadenceMs: 100 });
    await when<readonly StatsRow[]>((fn) => store.subscribe(fn), () => store.rows().length >= 10);
    for (const row of store.rows()) {
      const { day, last } = row;
      expect(day!.trades).toBeGreaterThan(0);
      expect(day!.low).toBeLessThanOrEqual(last!);
      expect(day!.high).toBeGreaterThanOrEqual(last!);
      expect(day!.change).toBe(last! - day!.open);
      expect(day!.turnover).toMatch(/^\d+(\.\d+)?$/);
    }
    expect(errors).toEqual([]);
  });

  it('lets new instruments join a pattern, in every channel that it was asked for', async () => {
    const { feed, errors } = connect();
    const name = `N${Date.now()}`;
    const quotes = feed.quotes(['fresh:*'], { cadenceMs: 0 });
    const status = feed.status(['fresh:*']);
    await when<unknown>((fn) => quotes.onResult((...result) => fn(result)), () => quotes.results.has('fresh:*'));
    const joined = when<readonly QuoteRow[]>((fn) => quotes.subscribe(fn), (rows) => rows.some((r) => r.symbol === `fresh:${name}`));
    await server.publish(`md.fresh.${name}.quote`, { bid: '1.5', ask: '1.75' });
    await joined;
    const row = quotes.get(`fresh:${name}`)!;
    expect((row.ask! - row.bid!) * 4).toBe(10 ** row.instrument.priceScale);
    expect(quotes.results.get(`fresh:${name}`)).toMatchObject({ ok: true, by: 'fresh:*' });
    expect(status.symbols()).toContain(`fresh:${name}`);
    expect(errors.filter((e) => e.code !== 'no-match')).toEqual([]);
  });

  it('goes on with every trade, the book and the bars after a restart', async () => {
    const { feed, errors } = connect();
    const symbol = 'sim:BTC-USD';
    const tape: TradeEvent[] = [];
    const trades = feed.trades([symbol], { cadenceMs: 0 });
    trades.subscribe((events) => tape.push(...events));
    const book = feed.book(symbol, { cadenceMs: 0 });
    const bars = feed.bars([symbol], { seconds: 1, cadenceMs: 0 });
    await when<readonly BarEvent[]>((fn) => bars.subscribe(fn), () => bars.get(symbol).length >= 3 && book.complete);
    const held = bars.get(symbol).slice(0, 2);
    expect(await server.stop()).toBe(0);
    const last = trades.get(symbol).at(-1)!;
    await server.start();
    await when<readonly TradeEvent[]>((fn) => trades.subscribe(fn), () => trades.get(symbol).at(-1)!.ingestTimeUs > last.ingestTimeUs && book.complete);
    const told = tape.map((e) => (e.type === 'trade' ? e.trade : e));
    let before: { epoch: number | bigint; sequence: number } | undefined;
    for (const e of told) {
      const from = 'sequence' in e ? e.sequence : e.from;
      if (before !== undefined && before.epoch === e.epoch) expect(from).toBe(before.sequence + 1);
      before = { epoch: e.epoch, sequence: 'sequence' in e ? e.sequence : e.to };
    }
    // Bars outlive the server; those that are held from before are the same that it has now.
    const again = connect().feed.bars([symbol], { seconds: 1, history: 600 });
    await when<readonly BarEvent[]>((fn) => again.subscribe(fn), () => again.get(symbol).length > 0);
    const find = (startS: number) => again.get(symbol).find((b) => b.startS === startS);
    for (const bar of held) expect(find(bar.startS)).toMatchObject({ open: bar.open, high: bar.high, low: bar.low, volume: bar.volume });
    expect(errors.filter((e) => e.code !== 'transport')).toEqual([]);
  });

  it('is found again after a restart, with fresh rows', async () => {
    const { feed, errors } = connect();
    const quotes = feed.quotes(['test:FAKE'], { cadenceMs: 0 });
    const trades = feed.trades(['test:FAKE'], { history: 0 });
    await when<readonly QuoteRow[]>(
      (fn) => quotes.subscribe(fn),
      () => true,
    );
    const session = feed.session;
    const down = when<{ state: string }>(
      (fn) => feed.on('state', fn),
      (e) => e.state === 'reconnecting',
    );
    expect(await server.stop()).toBe(0);
    await down;
    const before = quotes.get('test:FAKE')!;
    const fresh = when<readonly QuoteRow[]>(
      (fn) => quotes.subscribe(fn),
      (rows) => rows.some((r) => r.full && r.ingestTimeUs > before.ingestTimeUs),
    );
    const traded = when<readonly TradeEvent[]>(
      (fn) => trades.subscribe(fn),
      (events) => events.some((e) => e.type === 'trade'),
    );
    await server.start();
    await fresh;
    await traded;
    expect(feed.state).toBe('live');
    expect(feed.session).not.toBe(session);
    expect(errors.filter((e) => e.code !== 'transport')).toEqual([]);
  });
});
