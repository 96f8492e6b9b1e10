/** The datafeed as charts call it, against the real server. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type ChartBar, type ChartDepth, type ChartQuote, type Datafeed, type LibrarySymbolInfo, createDatafeed } from '../../src/tradingview/index.js';
import { RealServer, when } from './server.js';

const SYMBOL = 'sim:BTC-USD';

let server: RealServer;
let feed: Datafeed;
beforeAll(async () => void (server = await RealServer.start()));
afterEach(() => {
  feed.close();
  server.closeClients();
});
afterAll(() => server.clean());

function open(): Datafeed {
  feed = createDatafeed(server.connect().feed, { baseUrl: server.url.replace(/^ws/, 'http') });
  return feed;
}

const resolve = (name: string) => new Promise<LibrarySymbolInfo>((ok, fail) => open().resolveSymbol(name, ok, (reason) => fail(new Error(reason))));

function history(info: LibrarySymbolInfo, resolution: string, from: number, to: number, countBack: number) {
  return new Promise<{ bars: ChartBar[]; noData: boolean }>((ok, fail) =>
    feed.getBars(info, resolution, { from, to, countBack, firstDataRequest: true }, (bars, { noData }) => ok({ bars, noData }), (reason) => fail(new Error(reason))));
}

describe('the datafeed', () => {
  it('says what it can, and finds symbols', async () => {
    const configuration = await new Promise<{ supported_resolutions: string[] }>((ok) => open().onReady(ok));
    expect(configuration.supported_resolutions).toEqual(['1S', '1', '5', '15', '60', '1D']);
    const found = await new Promise<{ ticker: string; exchange: string }[]>((ok) => feed.searchSymbols('btc', 'sim', '', ok));
    expect(found).toContainEqual(expect.objectContaining({ ticker: SYMBOL, symbol: 'BTC-USD', exchange: 'sim', type: 'spot' }));
    expect(await new Promise((ok) => feed.searchSymbols('btc', 'elsewhere', '', ok))).toEqual([]);
    expect(Math.abs((await new Promise<number>((ok) => feed.getServerTime(ok))) - Date.now() / 1000)).toBeLessThan(5);
  });

  it('resolves a symbol with its steps, and refuses others', async () => {
    expect(await resolve(SYMBOL)).toMatchObject({ ticker: SYMBOL, minmov: 1, pricescale: 100, timezone: 'Etc/UTC', has_seconds: true });
    await expect(resolve('sim:NOPE')).rejects.toThrow('sim:NOPE');
  });

  it('gives bars of the past, and goes on where they end', async () => {
    const info = await resolve(SYMBOL);
    const live: ChartBar[] = [];
    const two = when<ChartBar>((fn) => {
      feed.subscribeBars(info, '1S', fn, 'chart', () => undefined);
      return () => undefined;
    }, (bar) => {
      live.push(bar);
      return new Set(live.map((b) => b.time)).size >= 3;
    });
    await two;
    const now = Math.ceil(Date.now() / 1000) + 1;
    const { bars, noData } = await history(info, '1S', now - 60, now, 2);
    expect(noData).toBe(false);
    expect(bars.map((b) => b.time)).toEqual([...bars.map((b) => b.time)].sort((a, b) => a - b));
    const closed = live.filter((b) => b.time < live.at(-1)!.time).at(-1)!; // in its last form before the next began
    expect(bars).toContainEqual(closed);
    for (const b of bars) expect(b.low <= b.open && b.open <= b.high && b.low <= b.close && b.close <= b.high && b.volume > 0).toBe(true);
    expect(await history(info, '1', 0, 1, 10)).toEqual({ bars: [], noData: true });
    await expect(history(info, '7', 0, now, 10)).rejects.toThrow('no bars of 7');
    feed.unsubscribeBars('chart');
  });

  it('gives quotes once and as they change, and depth', async () => {
    open();
    const [first, wrong] = await new Promise<ChartQuote[]>((ok, fail) => feed.getQuotes([SYMBOL, 'sim:NOPE'], ok, (reason) => fail(new Error(reason))));
    expect(first).toMatchObject({ n: SYMBOL, s: 'ok', v: { short_name: 'BTC-USD', exchange: 'sim' } });
    expect(wrong).toMatchObject({ n: 'sim:NOPE', s: 'error' });
    const quote = await when<ChartQuote[]>((fn) => {
      feed.subscribeQuotes([SYMBOL], [], fn, 'watchlist');
      return () => undefined;
    }, ([q]) => q?.v.bid !== undefined && q.v.lp !== undefined);
    expect(quote![0]!.v.spread).toBeGreaterThan(0);
    const depth = await when<ChartDepth>((fn) => {
      feed.subscribeDepth(SYMBOL, fn);
      return () => undefined;
    }, (d) => d.bids.length > 10 && d.asks.length > 10);
    expect(depth!.bids[0]!.price).toBeLessThan(depth!.asks[0]!.price);
  });
});
