/**
 * Live market data from feedd. Importing has no effect; a client touches nothing until connect() or its first store
 * is called.
 */
export { FeedError } from './errors.js';
export type { FeedErrorCode, LocalErrorCode, ServerErrorCode } from './errors.js';
export { formatDecimal, formatPrice, formatSize, parseDecimal } from './decimal.js';
export { formatChangePercent } from './stores/stats.js';
export type * from './types.js';

import { bars, book, quotes, stats, status, tradeSummaries, trades } from './channels.js';
import { Core } from './client.js';
import type { BarOptions, BookOptions, Client, ClientOptions, QuoteOptions, StoreOptions, TradeOptions } from './types.js';

/**
 * Makes a client; nothing is opened before connect() or the first store. Throws FeedError bad-option. Pages that count bytes and
 * do not need every channel take "@feedd/client/core".
 */
export function createClient(options: ClientOptions): Client {
  return new FullClient(options);
}

class FullClient extends Core implements Client {
  quotes(symbols: readonly string[], options?: QuoteOptions) {
    return quotes(this, symbols, options);
  }

  trades(symbols: readonly string[], options?: TradeOptions) {
    return trades(this, symbols, options);
  }

  book(symbol: string, options?: BookOptions) {
    return book(this, symbol, options);
  }

  bars(symbols: readonly string[], options?: BarOptions) {
    return bars(this, symbols, options);
  }

  stats(symbols: readonly string[], options?: QuoteOptions) {
    return stats(this, symbols, options);
  }

  status(symbols: readonly string[], options?: StoreOptions) {
    return status(this, symbols, options);
  }

  tradeSummaries(symbols: readonly string[], options?: QuoteOptions) {
    return tradeSummaries(this, symbols, options);
  }
}
