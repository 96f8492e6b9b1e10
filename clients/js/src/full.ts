import { bars, book, quotes, stats, status, tradeSummaries, trades } from './channels.js';
import { Core } from './client.js';
import type { BarOptions, BookOptions, Client, QuoteOptions, StoreOptions, TradeOptions } from './types.js';

/** The client with a method for each channel. */
export class FullClient extends Core implements Client {
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
