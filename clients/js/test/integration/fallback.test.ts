/** The real server over each transport, and where WebSockets do not get through to it. */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { type TransportName, fallback } from '../../src/fallback/index.js';
import type { BookSide, ClientOptions, Clock, QuoteRow, StateEvent, TradeEvent } from '../../src/index.js';
import { Proxy } from './proxy.js';
import { RealServer, when } from './server.js';

let server: RealServer;
const proxies: Proxy[] = [];
beforeAll(async () => void (server = await RealServer.start()));
afterEach(() => {
  server.closeClients();
  for (const proxy of proxies.splice(0)) proxy.close();
});
afterAll(() => server.clean());

/** A proxy in front of the server through which no WebSocket gets, unless told to let it. */
async function blocking(): Promise<Proxy> {
  const proxy = await Proxy.before(server.port);
  proxies.push(proxy);
  return proxy;
}

/** Resolves when the client is live over a transport. */
async function over(feed: ReturnType<RealServer['connect']>['feed'], transport: TransportName): Promise<void> {
  if (feed.state === 'live' && feed.transport === transport) return;
  await when<StateEvent>((fn) => feed.on('state', fn), (e) => e.state === 'live' && e.transport === transport);
}

const through = (order: TransportName[], more: Partial<ClientOptions> = {}) => server.connect({ transports: fallback(order, { memory: null }), ...more });

it.each(['websocket', 'stream', 'poll'] as const)('brings every channel, and every trade: %s', async (transport) => {
  const { feed, errors } = through([transport]);
  const quotes = feed.quotes(['sim:*'], { cadenceMs: 100 });
  const book = feed.book('sim:BTC-USD', { depth: 10, cadenceMs: 100 });
  const bars = feed.bars(['sim:BTC-USD'], { seconds: 1 });
  const trades = feed.trades(['sim:BTC-USD'], { cadenceMs: 100, history: 5 });
  const holes: string[] = [];
  let last: number | undefined;
  let count = 0;
  const traded = when<readonly TradeEvent[]>((fn) => trades.subscribe(fn), (events) => {
    for (const e of events) {
      if (e.type !== 'trade') holes.push(`${e.type} ${e.from} to ${e.to}`);
      else if (last !== undefined && e.trade.sequence !== last + 1) holes.push(`${last}, ${e.trade.sequence}`);
      last = e.type === 'trade' ? e.trade.sequence : e.to;
      count++;
    }
    return count > 30;
  });
  await over(feed, transport);
  await when<readonly QuoteRow[]>((fn) => quotes.subscribe(fn), () => quotes.rows().length >= 10);
  const since = Math.max(...quotes.rows().map((q) => q.cutTimeUs));
  await when<readonly QuoteRow[]>((fn) => quotes.subscribe(fn), (rows) => rows.some((q) => q.cutTimeUs > since + 500_000));
  await traded;
  await when<unknown>((fn) => bars.subscribe(fn), () => bars.get('sim:BTC-USD').length > 0);
  const sorted = (side: BookSide) => Array.from({ length: side.length }, (_, at) => side.price(at));
  expect(sorted(book.bids)).toEqual(sorted(book.bids).sort((a, b) => b - a));
  expect(book.bids.length).toBe(10);
  expect([holes, errors, quotes.stats.transport]).toEqual([[], [], transport]);
  expect(feed.latency.rttMs).toBeGreaterThan(0);

  // It changes its mind on the way, and comes to an end.
  quotes.setRate(1000);
  await when<unknown>((fn) => quotes.onGrant(fn), () => quotes.grant?.cadenceMs === 1000);
  trades.close();
});

it.each(['stream', 'poll'] as const)('goes on over another connection where trades stopped: %s', async (transport) => {
  const proxy = await blocking();
  const { feed } = through([transport], { url: proxy.url });
  const trades = feed.trades(['sim:BTC-USD'], { cadenceMs: 0, history: 1 });
  const holes: string[] = [];
  let last: number | undefined;
  let count = 0;
  trades.subscribe((events) => {
    for (const e of events) {
      const [from, to] = e.type === 'trade' ? [e.trade.sequence, e.trade.sequence] : [e.from, e.to];
      if (last !== undefined && from !== last + 1) holes.push(`${last}, ${from}`);
      last = to;
      count++;
    }
  });
  const more = (n: number) => when<unknown>((fn) => trades.subscribe(fn), () => count >= n);
  await more(10);
  const { session } = feed;
  proxy.cut();
  await more(count + 20);
  if (transport === 'stream') expect(feed.session).not.toBe(session);
  else expect(feed.session).toBe(session); // a poll more, and nothing happened
  expect(holes).toEqual([]);
});

it('streams where a proxy lets no WebSocket through, and goes up when one does', async () => {
  const proxy = await blocking();
  // Looks for a WebSocket begin after a minute or so, which takes a second here.
  const hasty: Clock = { now: Date.now, setTimeout: (fn, ms) => setTimeout(fn, ms > 20_000 ? 1000 : ms), clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout) };
  const { feed, errors } = through(['websocket', 'stream', 'poll'], { url: proxy.url, clock: hasty });
  const quotes = feed.quotes(['sim:*'], { cadenceMs: 100 });
  await over(feed, 'stream');
  await when<readonly QuoteRow[]>((fn) => quotes.subscribe(fn), () => quotes.rows().length >= 10);
  expect(errors.map((e) => [e.code, e.retrying])).toEqual([['unreachable', true]]);
  proxy.through = true;
  await over(feed, 'websocket');
  const since = Date.now() * 1000;
  await when<readonly QuoteRow[]>((fn) => quotes.subscribe(fn), (rows) => rows.some((q) => q.receivedMs * 1000 > since));
});

it('is on a WebSocket after a restart of the server', async () => {
  const { feed } = through(['websocket', 'stream', 'poll']);
  const quotes = feed.quotes(['sim:*'], { cadenceMs: 100 });
  await over(feed, 'websocket');
  await server.stop('SIGKILL');
  await new Promise((resolve) => setTimeout(resolve, 3000));
  const from = Date.now();
  await server.start();
  await over(feed, 'websocket');
  await when<readonly QuoteRow[]>((fn) => quotes.subscribe(fn), (rows) => rows.some((q) => q.receivedMs > from));
});
