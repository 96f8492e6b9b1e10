import { Bars } from './barstore.js';
import { Book } from './bookstore.js';
import { CoreClient } from './client.js';
import { Latest } from './latest.js';
import { STATS } from './stats.js';
import { STATUSES } from './statuses.js';
import { Summaries } from './summaries.js';
import type {
  BarOptions,
  BarStore,
  BookOptions,
  BookStore,
  Client,
  ClientOptions,
  QuoteOptions,
  StatsRow,
  StatsStore,
  StatusRow,
  StatusStore,
  StoreOptions,
  SummaryStore,
  TickClient,
} from './types.js';
import { decodeFrame, decodeTicks } from './wire/decode.js';

/** Makes a client; nothing is opened before connect() or the first store. Throws FeedError bad-option. */
export function createClient(options: ClientOptions): Client {
  return new FullClient(options, decodeFrame);
}

/** The same with quotes and trades only, for pages that count bytes: what it lacks stays out of their bundle. */
export function createTickClient(options: ClientOptions): TickClient {
  return new CoreClient(options, decodeTicks);
}

class FullClient extends CoreClient implements Client {
  book(symbol: string, options: BookOptions = {}): BookStore {
    return this.opened(new Book(this, symbol, options));
  }

  bars(symbols: readonly string[], options: BarOptions = {}): BarStore {
    return this.opened(new Bars(this, symbols, options));
  }

  stats(symbols: readonly string[], options: QuoteOptions = {}): StatsStore {
    return this.opened(new Latest<StatsRow>(this, STATS, symbols, options));
  }

  status(symbols: readonly string[], options: StoreOptions = {}): StatusStore {
    return this.opened(new Latest<StatusRow>(this, STATUSES, symbols, options));
  }

  tradeSummaries(symbols: readonly string[], options: QuoteOptions = {}): SummaryStore {
    return this.opened(new Summaries(this, symbols, options));
  }
}
