/**
 * feedd as a datafeed of TradingView's Advanced Charts and Trading Platform: search, symbols, bars, quotes and depth.
 *
 *     new TradingView.widget({ datafeed: createDatafeed(client, { baseUrl: 'https://feed.example' }), ... })
 */
import type { BarStore, BookStore, Client, QuoteRow, QuoteStore, StatsRow, StatsStore } from '../types.js';
import { type DirectoryEntry, Http, type HttpOptions } from './http.js';
import { LENGTHS, RESOLUTIONS, chartBar, price, size } from './numbers.js';
import type { ChartBar, ChartDepth, ChartQuote, Datafeed, DatafeedConfiguration, LibrarySymbolInfo, PeriodParams, SearchSymbolResult } from './types.js';

export type * from './types.js';
export type { HttpOptions as DatafeedOptions } from './http.js';

/** Bars that a server gives at most; its own bound may be lower. */
const MOST_BARS = 1440;
const MOST_FOUND = 50;
/** Quotes of charts are read by people. */
const QUOTES_MS = 250;
const DEPTH = 50;
/** How long those who ask for quotes once wait for values behind the grant, in milliseconds: a feed may be silent. */
const FIRST_MS = 2000;

/** Makes a datafeed. The client stays yours: close the datafeed with close(), and the client by itself. */
export function createDatafeed(client: Client, options: HttpOptions): Datafeed {
  return new FeeddDatafeed(client, new Http(options));
}

class FeeddDatafeed implements Datafeed {
  readonly #client: Client;
  readonly #http: Http;
  /** What ends each listener's subscriptions. */
  readonly #listeners = new Map<string, () => void>();
  #depths = 0;
  #asked = 0;

  constructor(client: Client, http: Http) {
    this.#client = client;
    this.#http = http;
  }

  onReady(callback: (configuration: DatafeedConfiguration) => void): void {
    // Charts ask that the answer comes later than the call.
    queueMicrotask(() =>
      callback({
        supported_resolutions: RESOLUTIONS,
        supports_time: true,
        supports_search: true,
        supports_group_request: false,
        exchanges: [{ value: '', name: 'All venues', desc: '' }],
        symbols_types: [{ name: 'All types', value: '' }],
      }),
    );
  }

  searchSymbols(input: string, exchange: string, type: string, onResult: (found: SearchSymbolResult[]) => void): void {
    this.#http.search(input, exchange === '' ? '' : `${exchange}:*`, MOST_FOUND).then(
      (found) => onResult(found.filter((entry) => type === '' || entry.assetClass === type).map(searchResult)),
      () => onResult([]), // charts have no other word for it
    );
  }

  resolveSymbol(name: string, onResolve: (info: LibrarySymbolInfo) => void, onError: (reason: string) => void): void {
    this.#http.search('', name, 1).then(
      ([entry]) => (entry?.symbol === name ? onResolve(symbolInfo(entry)) : onError(`unknown symbol ${name}`)),
      (e) => onError(String(e)),
    );
  }

  getBars(
    info: LibrarySymbolInfo, resolution: string, period: PeriodParams,
    onResult: (bars: ChartBar[], meta: { noData: boolean }) => void, onError: (reason: string) => void,
  ): void {
    const seconds = LENGTHS[resolution];
    if (seconds === undefined) return onError(`no bars of ${resolution}: there are ${RESOLUTIONS.join(', ')}`);
    this.#http.bars(info.ticker, seconds, MOST_BARS).then(
      (all) => {
        // As many as asked, even where that reaches beyond `from`: charts prefer it to a second request.
        const before = all.filter((bar) => bar.time < period.to * 1000);
        const bars = before.slice(-Math.max(period.countBack, before.filter((bar) => bar.time >= period.from * 1000).length));
        onResult(bars, { noData: bars.length === 0 });
      },
      (e) => onError(String(e)),
    );
  }

  subscribeBars(info: LibrarySymbolInfo, resolution: string, onTick: (bar: ChartBar) => void, listener: string, onReset: () => void): void {
    const store: BarStore = this.#client.bars([info.ticker], { seconds: LENGTHS[resolution] ?? 60, history: 2, buffer: 10 });
    let latest = 0;
    store.subscribe((events) => {
      for (const event of events) {
        if (event.type === 'bar' && event.bar.startS >= latest) {
          latest = event.bar.startS; // charts refuse bars older than the one that they have
          onTick(chartBar(event.bar));
        } else onReset(); // an older bar was mended or is gone: the chart must read its history anew
      }
    });
    this.#add(listener, () => store.close());
  }

  unsubscribeBars(listener: string): void {
    this.#remove(listener);
  }

  getServerTime(callback: (seconds: number) => void): void {
    queueMicrotask(() => callback(Math.floor(this.#client.serverNow() / 1000)));
  }

  getQuotes(symbols: string[], onResult: (quotes: ChartQuote[]) => void, onError: (reason: string) => void): void {
    const name = `quotes-${++this.#asked}`;
    let waiting: ReturnType<typeof setTimeout> | undefined;
    const tell = () => {
      if (!this.#listeners.has(name)) return;
      onResult(symbols.map((symbol) => watch.quote(symbol)));
      this.#remove(name);
    };
    // Grants come ahead of the values: an answer at once would call a good symbol wrong.
    const watch = new QuoteWatch(this.#client, symbols, () => watch.whole && tell());
    this.#add(name, () => {
      clearTimeout(waiting);
      watch.close();
    });
    Promise.all([watch.quotes.ready(), watch.stats.ready()]).then(
      () => {
        if (watch.whole) tell();
        else if (this.#listeners.has(name)) waiting = setTimeout(tell, FIRST_MS);
      },
      (e) => onError(String(e)),
    );
  }

  subscribeQuotes(symbols: string[], fast: string[], onTick: (quotes: ChartQuote[]) => void, listener: string): void {
    const watch = new QuoteWatch(this.#client, [...new Set([...symbols, ...fast])], onTick);
    this.#add(listener, () => watch.close());
  }

  unsubscribeQuotes(listener: string): void {
    this.#remove(listener);
  }

  subscribeDepth(symbol: string, onDepth: (depth: ChartDepth) => void): string {
    const store: BookStore = this.#client.book(symbol, { depth: DEPTH });
    store.subscribe(() => {
      const { instrument } = store;
      if (instrument === undefined || !store.complete) return;
      const side = (levels: BookStore['bids']) =>
        Array.from({ length: levels.length }, (_, at) => ({ price: price(levels.price(at), instrument), volume: size(levels.size(at), instrument) }));
      onDepth({ snapshot: true, asks: side(store.asks), bids: side(store.bids) });
    });
    const listener = `depth-${++this.#depths}`;
    this.#add(listener, () => store.close());
    return listener;
  }

  unsubscribeDepth(listener: string): void {
    this.#remove(listener);
  }

  close(): void {
    for (const listener of [...this.#listeners.keys()]) this.#remove(listener);
  }

  #add(listener: string, end: () => void): void {
    this.#remove(listener); // charts use a name again after a reset
    this.#listeners.set(listener, end);
  }

  #remove(listener: string): void {
    this.#listeners.get(listener)?.();
    this.#listeners.delete(listener);
  }
}

/** Quotes and statistics of some symbols, in the charts' one form for both. */
class QuoteWatch {
  readonly quotes: QuoteStore;
  readonly stats: StatsStore;

  constructor(client: Client, readonly symbols: string[], onTick: (quotes: ChartQuote[]) => void) {
    this.quotes = client.quotes(symbols, { cadenceMs: QUOTES_MS });
    this.stats = client.stats(symbols, { cadenceMs: QUOTES_MS });
    const tell = (rows: readonly { symbol: string }[]) => onTick(rows.map((row) => this.quote(row.symbol)));
    this.quotes.subscribe(tell);
    this.stats.subscribe(tell);
  }

  /** Each symbol was refused or has its values. */
  get whole(): boolean {
    return this.symbols.every((symbol) =>
      [this.quotes, this.stats].every((store) => store.get(symbol) !== undefined || store.results.get(symbol)?.ok === false));
  }

  quote(symbol: string): ChartQuote {
    const granted = this.quotes.results.get(symbol)?.ok === true || this.stats.results.get(symbol)?.ok === true;
    return chartQuote(symbol, granted, this.quotes.get(symbol), this.stats.get(symbol));
  }

  close(): void {
    this.quotes.close();
    this.stats.close();
  }
}

function chartQuote(symbol: string, granted: boolean, quote: QuoteRow | undefined, stats: StatsRow | undefined): ChartQuote {
  const { venue, short } = parts(symbol);
  const instrument = quote?.instrument ?? stats?.instrument;
  const v: ChartQuote['v'] = { short_name: short, exchange: venue, original_name: symbol, description: instrument?.description ?? '' };
  if (instrument === undefined) return { n: symbol, s: granted ? 'ok' : 'error', v };
  if (quote?.bid != null) v.bid = price(quote.bid, instrument);
  if (quote?.ask != null) v.ask = price(quote.ask, instrument);
  if (quote?.bid != null && quote.ask != null) v.spread = price(quote.ask - quote.bid, instrument);
  if (stats?.last != null) v.lp = price(stats.last, instrument);
  if (stats?.previousClose != null) v.prev_close_price = price(stats.previousClose, instrument);
  if (stats?.day != null) {
    const { open, high, low, change, volume } = stats.day;
    v.open_price = price(open, instrument);
    v.high_price = price(high, instrument);
    v.low_price = price(low, instrument);
    v.ch = price(change, instrument);
    if (open !== 0) v.chp = (100 * change) / open;
    v.volume = size(volume, instrument);
  }
  return { n: symbol, s: 'ok', v };
}

function parts(symbol: string): { venue: string; short: string } {
  const at = symbol.indexOf(':');
  return { venue: symbol.slice(0, at), short: symbol.slice(at + 1) };
}

function searchResult(entry: DirectoryEntry): SearchSymbolResult {
  const { venue, short } = parts(entry.symbol);
  return { symbol: short, full_name: entry.symbol, ticker: entry.symbol, description: entry.description, exchange: venue, type: entry.assetClass };
}

function symbolInfo(entry: DirectoryEntry): LibrarySymbolInfo {
  const { venue, short } = parts(entry.symbol);
  return {
    name: short, full_name: entry.symbol, ticker: entry.symbol, description: entry.description || short, type: entry.assetClass || 'crypto',
    session: '24x7', timezone: entry.timeZone || 'Etc/UTC', exchange: venue, listed_exchange: venue, format: 'price',
    minmov: Math.max(1, Number(entry.priceStep)), pricescale: 10 ** entry.priceScale, volume_precision: entry.sizeScale,
    has_intraday: true, has_seconds: true, has_daily: true, seconds_multipliers: ['1'], intraday_multipliers: ['1', '5', '15', '60'], daily_multipliers: ['1'],
    supported_resolutions: RESOLUTIONS, data_status: 'streaming',
  };
}
