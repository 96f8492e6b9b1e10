/** The channels as functions of a client. What they do and throw is said at the methods of Client that have their names. */

import { Bars } from './stores/barstore.js';
import { Book } from './stores/bookstore.js';
import { Latest } from './stores/latest.js';
import { QUOTES } from './stores/quotes.js';
import { STATS } from './stores/stats.js';
import { STATUSES } from './stores/statuses.js';
import { Summaries } from './stores/summaries.js';
import { Trades } from './stores/tradestore.js';
import type {
  BarOptions,
  BarStore,
  BookOptions,
  BookStore,
  CoreClient,
  QuoteOptions,
  QuoteRow,
  QuoteStore,
  StatsRow,
  StatsStore,
  StatusRow,
  StatusStore,
  StoreOptions,
  SummaryStore,
  TradeOptions,
  TradeStore,
} from './types.js';

/** Live top of book of the symbols. */
export function quotes(client: CoreClient, symbols: readonly string[], options?: QuoteOptions): QuoteStore {
  return new Latest<QuoteRow>(client, QUOTES, symbols, options);
}

/** Every trade of the symbols in order, or an event that says which are missing. */
export function trades(client: CoreClient, symbols: readonly string[], options?: TradeOptions): TradeStore {
  return new Trades(client, symbols, options);
}

/** The order book of one symbol. */
export function book(client: CoreClient, symbol: string, options?: BookOptions): BookStore {
  return new Book(client, symbol, options);
}

/** Bars of one length. */
export function bars(client: CoreClient, symbols: readonly string[], options?: BarOptions): BarStore {
  return new Bars(client, symbols, options);
}

/** Statistics over 24 hours and the session, and what the venue states. */
export function stats(client: CoreClient, symbols: readonly string[], options?: QuoteOptions): StatsStore {
  return new Latest<StatsRow>(client, STATS, symbols, options);
}

/** Status of the symbols and their sources. */
export function status(client: CoreClient, symbols: readonly string[], options?: StoreOptions): StatusStore {
  return new Latest<StatusRow>(client, STATUSES, symbols, options);
}

/** Trades as one row a cut. */
export function tradeSummaries(client: CoreClient, symbols: readonly string[], options?: QuoteOptions): SummaryStore {
  return new Summaries(client, symbols, options);
}
