import { useCallback, useRef, useSyncExternalStore } from 'react';

import type {
  BarOptions, BarRow, BookOptions, BookSide, BookStore, LatestStore, Level, Quality, QuoteOptions, QuoteRow, QuoteStore, StatsRow, StatusRow, Store,
  TradeOptions, TradeRow,
} from '../types.js';
import { useFeed } from './provider.js';
import { type Source, storesOf } from './shared.js';

/** Picks what a component shows; it renders again only when the pick differs, by Object.is. */
export type Selector<R, T> = (row: R | undefined) => T;

/** The options of a store but for its signal: components close stores by going. */
type Options<O> = Omit<O, 'signal'>;

const NOTHING: readonly never[] = Object.freeze([]);

/** The top of the book of a symbol; undefined before the first row. */
export function useQuote(symbol: string, options?: Options<QuoteOptions>): QuoteRow | undefined;
export function useQuote<T>(symbol: string, options: Options<QuoteOptions> | undefined, select: Selector<QuoteRow, T>): T;
export function useQuote<T>(symbol: string, options: Options<QuoteOptions> = {}, select?: Selector<QuoteRow, T>): T | QuoteRow | undefined {
  return useSelected(latest<QuoteRow>('quote', symbol, options, (client) => client.quotes([symbol], options)), select);
}

/** The rows of several symbols, patterns or lists, in the order of the symbols; the same array until one changes. */
export function useQuotes(symbols: readonly string[], options: Options<QuoteOptions> = {}): readonly QuoteRow[] {
  return useShared<QuoteStore, readonly QuoteRow[]>({
    key: keyOf('quotes', symbols, options),
    open: (client) => client.quotes(symbols, options),
    listen: (store, changed) => void store.subscribe(changed),
    read: (store, before) => {
      const rows = store.rows();
      return before?.length === rows.length && rows.every((row, i) => row === before[i]) ? before : rows;
    },
  }) ?? NOTHING;
}

/** Statistics of a symbol. */
export function useStats(symbol: string, options?: Options<QuoteOptions>): StatsRow | undefined;
export function useStats<T>(symbol: string, options: Options<QuoteOptions> | undefined, select: Selector<StatsRow, T>): T;
export function useStats<T>(symbol: string, options: Options<QuoteOptions> = {}, select?: Selector<StatsRow, T>): T | StatsRow | undefined {
  return useSelected(latest<StatsRow>('stats', symbol, options, (client) => client.stats([symbol], options)), select);
}

/** Whether a symbol's rows may be believed, and how it trades. */
export function useStatus(symbol: string): StatusRow | undefined;
export function useStatus<T>(symbol: string, select: Selector<StatusRow, T>): T;
export function useStatus<T>(symbol: string, select?: Selector<StatusRow, T>): T | StatusRow | undefined {
  return useSelected(latest<StatusRow>('status', symbol, {}, (client) => client.status([symbol])), select);
}

/** The newest trades of a symbol, oldest first; the same array until there is another trade. */
export function useTrades(symbol: string, options: Options<TradeOptions> = {}): readonly TradeRow[] {
  return useShared({
    key: keyOf('trades', symbol, options),
    open: (client) => client.trades([symbol], options),
    listen: (store, changed) => void store.subscribe(changed),
    read: (store): readonly TradeRow[] => store.get(symbol),
  }) ?? NOTHING;
}

/** The bars of a symbol, the newest last; the same array until one changes. */
export function useBars(symbol: string, options: Options<BarOptions> = {}): readonly BarRow[] {
  return useShared({
    key: keyOf('bars', symbol, options),
    open: (client) => client.bars([symbol], options),
    listen: (store, changed) => void store.subscribe(changed),
    read: (store): readonly BarRow[] => store.get(symbol),
  }) ?? NOTHING;
}

/** A book as it was at a frame. */
export interface BookView {
  /** Best first. */
  readonly bids: readonly Level[];
  readonly asks: readonly Level[];
  readonly complete: boolean;
  readonly quality: Quality;
}

/** The order book of a symbol, as deep as `depth` says: each change makes the view anew, so ask for no more levels than are shown. */
export function useBook(symbol: string, options: Options<BookOptions> & { depth: number }): BookView | undefined {
  return useShared<BookStore, BookView | undefined>({
    key: keyOf('book', symbol, options),
    open: (client) => client.book(symbol, options),
    listen: (store, changed) => void store.subscribe(changed),
    read: (store) => (store.instrument === undefined ? undefined : { bids: levels(store.bids), asks: levels(store.asks), complete: store.complete, quality: store.quality }),
  });
}

function levels(side: BookSide): Level[] {
  const all: Level[] = [];
  for (let at = 0; at < side.length; at++) all.push({ price: side.price(at), size: side.size(at) });
  return all;
}

function latest<R>(kind: string, symbol: string, options: object, open: Source<LatestStore<R>, R | undefined>['open']): Source<LatestStore<R>, R | undefined> {
  return {
    key: keyOf(kind, symbol, options),
    open,
    listen: (store, changed) => void store.subscribe(changed),
    read: (store) => store.get(symbol),
  };
}

function keyOf(kind: string, what: string | readonly string[], options: object): string {
  return JSON.stringify([kind, what, Object.entries(options).sort(([a], [b]) => (a < b ? -1 : 1))]);
}

function useShared<S extends Store, V>(source: Source<S, V>): V | undefined {
  const shared = storesOf(useFeed()).of(source);
  return useSyncExternalStore(shared.subscribe, shared.get, nothing);
}

function useSelected<S extends Store, R, T>(source: Source<S, R | undefined>, select: Selector<R, T> | undefined): T | R | undefined {
  const shared = storesOf(useFeed()).of(source);
  const picked = useRef<{ row: R | undefined; select: Selector<R, T>; value: T }>(undefined);
  const pick = useCallback(
    (row: R | undefined): T | R | undefined => {
      if (select === undefined) return row;
      const last = picked.current;
      if (last !== undefined && last.row === row && last.select === select) return last.value;
      picked.current = { row, select, value: select(row) };
      return picked.current.value;
    },
    [select],
  );
  return useSyncExternalStore(
    shared.subscribe,
    () => pick(shared.get()),
    () => pick(undefined),
  );
}

function nothing(): undefined {
  return undefined;
}
