import type { BarStore, BookStore, Client, Grant, Instrument, LatestStore, Store, SubscribeResult, SummaryStore, TradeStore } from '../types.js';
import type { BareRow, BookNews, StoreNews, StoreRequest } from './messages.js';

type News = Omit<StoreNews, 'type' | 'store'>;

/** A store that a tab opened: what comes is told to that tab, a message for each cut. */
export class HostedStore {
  readonly #store: Store;
  readonly #introduce: (instruments: readonly Instrument[]) => void;
  readonly #send: (news: News) => void;
  readonly #granted = new Map<string, Grant>();

  /** Throws FeedError bad-option. */
  constructor(client: Client, { opening, symbols, options }: StoreRequest, introduce: (instruments: readonly Instrument[]) => void, send: (news: News) => void) {
    this.#introduce = introduce;
    this.#send = send;
    switch (opening) {
      case 'trades': {
        const store: TradeStore = (this.#store = client.trades(symbols, options));
        store.subscribe((events) => this.#tell(events.flatMap((e) => (e.type === 'trade' ? [e.trade] : [])), { trades: events.map((e) => (e.type === 'trade' ? { ...e, trade: bare(e.trade) } : e)) }));
        break;
      }
      case 'bars': {
        const store: BarStore = (this.#store = client.bars(symbols, options));
        store.subscribe((events) => this.#tell(events.flatMap((e) => (e.type === 'bar' ? [e.bar] : [])), { bars: events.map((e) => (e.type === 'bar' ? { ...e, bar: bare(e.bar) } : e)) }));
        break;
      }
      case 'book': {
        const store: BookStore = (this.#store = client.book(symbols[0] ?? '', options));
        store.subscribe((change) => this.#tell(store.instrument === undefined ? [] : [{ instrument: store.instrument }], { book: bookNews(store, change) }));
        break;
      }
      default: {
        const store = client[opening](symbols, options) as LatestStore<BareRow & { instrument: Instrument }> | SummaryStore;
        this.#store = store;
        store.subscribe((rows: ReadonlyArray<BareRow & { instrument: Instrument }>) => this.#tell(rows, { rows: rows.map(bare) }));
      }
    }
    this.#store.onResult((symbol: string, result: SubscribeResult) => this.#tell([], { results: [[symbol, result]] }));
    this.#store.onGrant(() => this.#tell([], {}));
  }

  setRate(cadenceMs: number): void {
    this.#store.setRate(cadenceMs);
  }

  close(): void {
    this.#store.close();
  }

  #tell(rows: ReadonlyArray<{ instrument: Instrument }>, news: Omit<News, 'stats'>): void {
    this.#introduce(rows.map((row) => row.instrument));
    const grants = this.#newGrants();
    this.#send({ ...news, ...(grants.length > 0 ? { grants } : {}), stats: this.#store.stats });
  }

  #newGrants(): Array<readonly [string, Grant]> {
    const fresh: Array<readonly [string, Grant]> = [];
    for (const symbol of this.#store.symbols()) {
      const grant = this.#store.grantOf(symbol);
      if (grant === undefined || this.#granted.get(symbol) === grant) continue;
      this.#granted.set(symbol, grant);
      fresh.push([symbol, grant]);
    }
    return fresh;
  }
}

/** The row without its instrument: tabs have that by its symbol. */
function bare<R extends { instrument: Instrument }>(row: R): R {
  return { ...row, instrument: undefined as never };
}

function bookNews(store: BookStore, change: { reset: boolean; bids: BookNews['bids']; asks: BookNews['asks'] }): BookNews {
  const { symbol, complete, quality, times, checksums } = store;
  const [bids, asks] = change.reset ? [all(store.bids), all(store.asks)] : [change.bids, change.asks];
  return { symbol, reset: change.reset, bids, asks, complete, quality, times, checksums };
}

function all(side: BookStore['bids']): BookNews['bids'] {
  return Array.from({ length: side.length }, (_, at) => ({ price: side.price(at), size: side.size(at) }));
}
