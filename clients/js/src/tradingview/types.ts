/**
 * What TradingView's Advanced Charts and Trading Platform call of a datafeed, as far as feedd answers it. Their own typings are
 * not public, so these name what is used; an object that fits these fits those.
 */

/** "1S", "1", "5", "15", "60", "1D": what feedd has bars of. */
export type Resolution = string;

export interface DatafeedConfiguration {
  supported_resolutions: Resolution[];
  supports_time: boolean;
  supports_search: boolean;
  supports_group_request: boolean;
  exchanges: { value: string; name: string; desc: string }[];
  symbols_types: { name: string; value: string }[];
}

export interface SearchSymbolResult {
  symbol: string;
  full_name: string;
  ticker: string;
  description: string;
  exchange: string;
  type: string;
}

export interface LibrarySymbolInfo {
  name: string;
  full_name: string;
  ticker: string;
  description: string;
  type: string;
  session: string;
  timezone: string;
  exchange: string;
  listed_exchange: string;
  format: 'price';
  /** Prices are multiples of minmov / pricescale. */
  minmov: number;
  pricescale: number;
  volume_precision: number;
  has_intraday: boolean;
  has_seconds: boolean;
  has_daily: boolean;
  seconds_multipliers: string[];
  intraday_multipliers: string[];
  daily_multipliers: string[];
  supported_resolutions: Resolution[];
  data_status: 'streaming' | 'delayed_streaming';
}

/** Milliseconds since the Unix epoch, and decimal numbers: what charts take. */
export interface ChartBar {
  time: number;
  open: number;
  high: number;
  low: number;
  close: number;
  volume: number;
}

export interface PeriodParams {
  /** Seconds since the Unix epoch, `to` excluded. */
  from: number;
  to: number;
  countBack: number;
  firstDataRequest: boolean;
}

export interface ChartQuote {
  n: string;
  s: 'ok' | 'error';
  v: {
    ch?: number; chp?: number; lp?: number; ask?: number; bid?: number; spread?: number; volume?: number;
    open_price?: number; high_price?: number; low_price?: number; prev_close_price?: number;
    short_name: string; exchange: string; original_name: string; description: string;
  };
}

export interface ChartDepth {
  snapshot: boolean;
  asks: { price: number; volume: number }[];
  bids: { price: number; volume: number }[];
}

export interface Datafeed {
  onReady(callback: (configuration: DatafeedConfiguration) => void): void;
  searchSymbols(input: string, exchange: string, type: string, onResult: (found: SearchSymbolResult[]) => void): void;
  resolveSymbol(name: string, onResolve: (info: LibrarySymbolInfo) => void, onError: (reason: string) => void): void;
  getBars(
    info: LibrarySymbolInfo, resolution: Resolution, period: PeriodParams,
    onResult: (bars: ChartBar[], meta: { noData: boolean }) => void, onError: (reason: string) => void,
  ): void;
  subscribeBars(info: LibrarySymbolInfo, resolution: Resolution, onTick: (bar: ChartBar) => void, listener: string, onReset: () => void): void;
  unsubscribeBars(listener: string): void;
  getServerTime(callback: (seconds: number) => void): void;
  getQuotes(symbols: string[], onResult: (quotes: ChartQuote[]) => void, onError: (reason: string) => void): void;
  subscribeQuotes(symbols: string[], fast: string[], onTick: (quotes: ChartQuote[]) => void, listener: string): void;
  unsubscribeQuotes(listener: string): void;
  subscribeDepth(symbol: string, onDepth: (depth: ChartDepth) => void): string;
  unsubscribeDepth(listener: string): void;
  /** Ends all that is subscribed. */
  close(): void;
}
