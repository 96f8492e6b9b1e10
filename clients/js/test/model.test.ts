/**
 * Everything at once: a market that moves, stores that come and go, connections that break, fall silent
 * and come back, machines that sleep, threads that are busy, pages that are hidden and frozen, networks that go, tokens that
 * expire and are refused. Whatever happens there is one live socket at most; and once things
 * are quiet every store equals the market, and every trade since a store's first was either handed out
 * once, in order and as it was, or told as missing.
 */

import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { BookSide, BookStore, QuoteStore, Store, TradeEvent, TradeStore } from '../src/index.js';
import { Quality, Trading } from './gen/feed/v1/feed_pb.js';
import { settle } from './support/clock.js';
import { type Market } from './support/market.js';
import { World } from './support/world.js';

/** A world whose server wants a token. */
class Guarded extends World {
  /** The token that is good. */
  token = 1;
  /** So many times from here on there is none to be had. */
  tokenless = 0;

  constructor() {
    super(symbols, {
      getToken: async () => {
        if (this.tokenless-- > 0) throw new Error('no token now');
        return `t${this.token}`;
      },
    });
    this.rotate();
  }

  /** The tokens of before are good no more. */
  rotate(): void {
    this.server.tokens = new Set([`t${++this.token}`]);
  }
}

const symbols = ['a:X', 'a:Y', 'b:Z'];
const asks = [...symbols, 'a:*', '*', 'a:NONE', 'c:*'];

interface Held {
  quotes: QuoteStore[];
  books: BookStore[];
  trades: Array<{ store: TradeStore; events: TradeEvent[] }>;
}

type Step = { name: string; run(w: Guarded, held: Held): Promise<void> | void };

const symbol = fc.constantFrom(...symbols);
const cadence = fc.option(fc.constantFrom(0, 100, 250, 1000), { nil: undefined });
const wish = (cadenceMs: number | undefined) => (cadenceMs === undefined ? {} : { cadenceMs });
const step = <T>(
  name: string,
  arg: fc.Arbitrary<T>,
  run: (w: Guarded, held: Held, arg: T) => Promise<void> | void,
): fc.Arbitrary<Step> => arg.map((a) => ({ name: `${name} ${JSON.stringify(a) ?? ''}`, run: (w, held) => run(w, held, a) }));
const plain = (name: string, run: Step['run']) => fc.constant<Step>({ name, run });
const pick = <T>(from: T[], n: number): T | undefined => (from.length === 0 ? undefined : from[n % from.length]);

const market: fc.Arbitrary<Step>[] = [
  step(
    'quote',
    fc.record({
      symbol,
      bid: fc.nat(1000),
      bidSize: fc.nat(50),
      askSize: fc.nat(50),
      has: fc.nat(7),
      transitMs: fc.integer({ min: -50, max: 50 }),
    }),
    (w, _, { symbol, bid, ...over }) => w.server.quote(symbol, bid, over),
  ),
  step(
    'trades',
    fc.record({ symbol, price: fc.nat(1000), id: fc.option(fc.nat(5000), { nil: 0 }), count: fc.integer({ min: 1, max: 6 }) }),
    (w, _, { symbol, price, id, count }) => {
      for (let i = 0; i < count; i++) w.server.trade(symbol, price + i, { id });
    },
  ),
  step(
    'levels',
    fc.record({ symbol, side: fc.constantFrom('bids' as const, 'asks' as const), price: fc.integer({ min: -20, max: 20 }), size: fc.nat(3) }),
    (w, _, { symbol, side, price, size }) => w.server.level(symbol, side, price, size),
  ),
  step('gap', fc.record({ symbol, count: fc.integer({ min: 1, max: 5 }) }), (w, _, { symbol, count }) =>
    w.server.gap(symbol, count),
  ),
  plain('publisher restarts', (w) => {
    w.server.epoch++;
    for (const m of w.server.markets.values()) m.trades = 0;
  }),
  step(
    'status',
    fc.record({
      symbol,
      quality: fc.constantFrom(Quality.OK, Quality.SUSPECT, Quality.SYNCING),
      trading: fc.constantFrom(Trading.OPEN, Trading.HALTED),
    }),
    (w, _, { symbol, ...status }) => {
      Object.assign(w.server.markets.get(symbol)!, status);
      for (const s of w.server.sessions) s.sendStatuses();
    },
  ),
];

const stores: fc.Arbitrary<Step>[] = [
  step(
    'open quotes',
    fc.record({ symbols: fc.subarray(asks, { minLength: 1 }), cadenceMs: cadence }),
    (w, held, { symbols, cadenceMs }) => {
      held.quotes.push(w.client.quotes(symbols, wish(cadenceMs)));
    },
  ),
  step(
    'open trades',
    fc.record({ symbols: fc.subarray(asks, { minLength: 1 }), cadenceMs: cadence, buffer: fc.nat(20) }),
    (w, held, { symbols, cadenceMs, buffer }) => {
      const events: TradeEvent[] = [];
      const store = w.client.trades(symbols, { buffer, history: buffer, ...wish(cadenceMs) });
      store.subscribe((batch) => events.push(...batch));
      held.trades.push({ store, events });
    },
  ),
  step('open book', fc.record({ symbol, cadenceMs: cadence }), (w, held, { symbol, cadenceMs }) => {
    held.books.push(w.client.book(symbol, wish(cadenceMs)));
  }),
  step('close book', fc.nat(), (_, held, n) => {
    const store = pick(held.books, n);
    store?.close();
    held.books = held.books.filter((s) => s !== store);
  }),
  step('close quotes', fc.nat(), (_, held, n) => {
    const store = pick(held.quotes, n);
    store?.close();
    held.quotes = held.quotes.filter((s) => s !== store);
  }),
  step('close trades', fc.nat(), (_, held, n) => {
    const held1 = pick(held.trades, n);
    held1?.store.close();
    held.trades = held.trades.filter((s) => s !== held1);
  }),
  step('rate', fc.record({ n: fc.nat(), ms: fc.constantFrom(0, 100, 1000) }), (_, held, { n, ms }) =>
    pick<Store>([...held.quotes, ...held.books, ...held.trades.map((t) => t.store)], n)?.setRate(ms),
  ),
  step('visibility', fc.constantFrom('shown' as const, 'hidden' as const), (w, _, v) => w.client.setVisibility(v)),
];

const troubles: fc.Arbitrary<Step>[] = [
  step('end', fc.constantFrom(1001, 1006, 4000, 4002, 4003), (w, _, code) => w.network.sockets.at(-1)?.end(code)),
  plain('another node', (w) => {
    w.server.run++;
    w.network.sockets.at(-1)?.end(1006);
  }),
  plain('silent', (w) => void (w.server.sessions.length > 0 && (w.server.last.silent = true))),
  plain('goaway', (w) =>
    w.server.sessions.at(-1)?.send({ goaway: { reason: 'drain', reconnectMinMs: 100, reconnectMaxMs: 900 } }),
  ),
  plain('garbage', (w) => w.network.sockets.at(-1)?.deliver(new Uint8Array([0xff, 0xff]))),
  plain('close and connect', (w) => {
    w.client.close();
    w.client.connect();
  }),
  plain('reconnectNow', (w) => w.client.reconnectNow()),
  plain('a book gone wrong', (w) => {
    const [handle] = [...w.server.sessions.at(-1)?.subscriptions ?? []].find(([, s]) => s.channel === 'book' && s.book !== undefined) ?? [];
    if (handle !== undefined) w.server.last.send({ cutTimeUs: BigInt(w.server.nowUs), books: [{ handle, bids: [99n, 99n], checksum: 1 }] });
  }),
  plain('hide', (w) => w.environment.hide(true)),
  plain('show', (w) => w.environment.hide(false)),
  step('network', fc.constantFrom('online' as const, 'offline' as const), (w, _, change) => w.environment.tell(change)),
  step('page', fc.constantFrom('freeze' as const, 'resume' as const), (w, _, change) => w.environment.tell(change)),
  plain('token expires', (w) => w.server.sessions.at(-1)?.send({ tokenExpiring: { expiresUs: BigInt(w.server.nowUs + 60_000_000) } })),
  plain('token expired', (w) => {
    w.rotate();
    w.network.sockets.at(-1)?.end(4010);
  }),
  plain('tokens are void', (w) => w.rotate()),
  step('no token', fc.integer({ min: 1, max: 3 }), (w, _, times) => void (w.tokenless = times)),
  step('busy', fc.integer({ min: 100, max: 900 }), (w, _, ms) => w.clock.sleep(ms)),
  step('sleep', fc.integer({ min: 1000, max: 7_200_000 }), (w, _, ms) => w.clock.sleep(ms)),
  step('log holds', fc.integer({ min: 2, max: 30 }), (w, _, n) => void (w.server.logSize = n)),
];

const passing: fc.Arbitrary<Step>[] = [
  plain('flush', (w) => w.flush()),
  step('wait', fc.integer({ min: 1, max: 30_000 }), (w, _, ms) => w.clock.advance(ms)),
  plain('settle', () => settle()),
];

const anyStep = fc.oneof(
  { weight: 8, arbitrary: fc.oneof(...market) },
  { weight: 4, arbitrary: fc.oneof(...stores) },
  { weight: 3, arbitrary: fc.oneof(...troubles) },
  { weight: 8, arbitrary: fc.oneof(...passing) },
);

/** Each trade and gap of the log as [epoch, from, to], for the count of what a store was told. */
function checkTape(market: Market, events: TradeEvent[]): void {
  const log = market.log;
  const ofEpoch = (epoch: number) => log.filter((e) => e.epoch === epoch);
  const endOf = (epoch: number) => Math.max(0, ...ofEpoch(epoch).map((e) => (e.type === 'gap' ? e.to : e.sequence)));
  let last: { epoch: number; sequence: number } | undefined;
  for (const e of events) {
    const [epoch, from, to] =
      e.type === 'trade' ? [Number(e.trade.epoch), e.trade.sequence, e.trade.sequence] : [Number(e.epoch), e.from, e.to];
    if (last !== undefined) {
      if (epoch !== last.epoch) expect(last.sequence, 'the end of an epoch is told').toBe(endOf(last.epoch));
      expect([epoch, from], 'each follows the one before').toEqual([epoch, epoch === last.epoch ? last.sequence + 1 : 1]);
    }
    last = { epoch, sequence: to };
    if (e.type !== 'trade') continue;
    const truth = log.find((t) => t.type === 'trade' && t.epoch === epoch && t.sequence === from);
    expect(truth, 'a trade that was').toBeDefined();
    if (truth?.type === 'trade')
      expect([e.trade.price, e.trade.size, e.trade.id ?? 0, e.trade.exchangeTimeUs]).toEqual([
        truth.price,
        truth.size,
        truth.id,
        truth.exchangeUs,
      ]);
  }
  const end = log.at(-1);
  if (last !== undefined && end !== undefined) expect(last).toEqual({ epoch: end.epoch, sequence: endOf(end.epoch) });
}

function checkQuotes(w: Guarded, store: QuoteStore): void {
  for (const symbol of store.symbols()) {
    const market = w.server.markets.get(symbol)!;
    const row = store.get(symbol);
    const q = market.quote;
    if (q === undefined) {
      expect(row).toBeUndefined();
      continue;
    }
    expect(row).toMatchObject({
      symbol,
      bid: q.has & 1 ? q.bid : null,
      bidSize: q.has & 1 ? q.bidSize : null,
      ask: q.has & 2 ? q.ask : null,
      askSize: q.has & 2 ? q.askSize : null,
      quality: ['unknown', 'ok', 'suspect', 'syncing'][market.quality],
      trading: ['unknown', 'open', 'halted'][market.trading],
    });
    expect(row!.exchangeTimeUs === null).toBe((q.has & 4) === 0);
  }
}

function checkBook(w: Guarded, store: BookStore): void {
  const { book } = w.server.markets.get(store.symbol)!;
  const side = (levels: BookSide) => Array.from({ length: levels.length }, (_, i) => [levels.price(i), levels.size(i)]);
  expect(store.complete, store.symbol).toBe(book.sequence > 0);
  expect([side(store.bids), side(store.asks)]).toEqual([
    [...book.bids].sort((a, b) => b[0] - a[0]), [...book.asks].sort((a, b) => a[0] - b[0]),
  ]);
}

it('keeps its promises through any run of events', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { minLength: 5, maxLength: 60 }), async (steps) => {
      const w = new Guarded();
      w.acceptAll();
      const held: Held = { quotes: [], books: [], trades: [] };
      for (const s of steps) {
        await s.run(w, held);
        expect(w.network.live.length, s.name).toBeLessThanOrEqual(1);
      }
      // Peace: time passes until all that was wrong is put right. What fell silent stays so.
      w.tokenless = 0;
      w.environment.tell('resume');
      w.environment.hide(false);
      w.client.setVisibility('shown');
      w.client.connect();
      for (let i = 0; i < 40; i++) {
        await w.clock.advance(2000);
        await w.flush();
      }
      expect(w.client.state).toBe('live');
      expect(w.network.live.length).toBe(1);
      expect(w.errors.filter((e) => !['transport', 'unreachable', 'decode', 'token', 'unauthenticated', 'checksum'].includes(e.code))).toEqual([]);
      for (const store of held.quotes) checkQuotes(w, store);
      for (const store of held.books) checkBook(w, store);
      for (const { store, events } of held.trades) {
        for (const symbol of store.symbols())
          checkTape(
            w.server.markets.get(symbol)!,
            events.filter((e) => (e.type === 'trade' ? e.trade.symbol : e.symbol) === symbol),
          );
      }
      // Nothing is held at the server that no store holds.
      const wanted = new Set([
        ...held.quotes.flatMap((s) => s.symbols().map((x) => `quote ${x}`)),
        ...held.books.map((s) => `book ${s.symbol}`),
        ...held.trades.flatMap((s) => s.store.symbols().map((x) => `trade ${x}`)),
      ]);
      expect(new Set([...w.server.last.subscriptions.values()].map((s) => `${s.channel} ${s.market.symbol}`))).toEqual(wanted);
      w.client.close();
      expect([w.clock.waiting, w.environment.listening]).toEqual([0, 0]);
    }),
    { numRuns: 400 },
  );
});
