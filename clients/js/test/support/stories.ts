/** Components that show a market, for a React that is bundled with them. */
import { type ReactNode, StrictMode, createElement as h } from 'react';
import { createRoot } from 'react-dom/client';
import { flushSync } from 'react-dom';
import { renderToString } from 'react-dom/server';

import { FeedProvider, useBook, useFeedState, useHealth, useQuote, useTrades } from '../../src/react/index.js';
import { formatPrice } from '../../src/index.js';
import type { Client, ClientOptions } from '../../src/types.js';

/** How often each component rendered. */
export const renders = { price: 0, spread: 0, tape: 0, book: 0 };

function Price({ symbol }: { symbol: string }) {
  renders.price++;
  const quote = useQuote(symbol);
  return h('b', { id: `price-${symbol}` }, quote === undefined ? 'none' : formatPrice(quote.bid, quote.instrument));
}

/** Renders when the spread changes, not when the price does. */
const spreadOf = (quote: { bid: number | null; ask: number | null } | undefined) =>
  quote?.bid == null || quote.ask == null ? null : quote.ask - quote.bid;

function Spread({ symbol }: { symbol: string }) {
  renders.spread++;
  return h('i', { id: 'spread' }, String(useQuote(symbol, undefined, spreadOf)));
}

function Tape({ symbol }: { symbol: string }) {
  renders.tape++;
  return h('i', { id: 'tape' }, useTrades(symbol).map((trade) => trade.price).join(' '));
}

function Depth({ symbol }: { symbol: string }) {
  renders.book++;
  const book = useBook(symbol, { depth: 5 });
  return h('i', { id: 'book' }, book === undefined ? 'none' : `${book.bids.map((l) => l.price).join(' ')} | ${book.asks.map((l) => l.price).join(' ')}`);
}

function State() {
  return h('i', { id: 'state' }, useFeedState());
}

function Health() {
  const { state, affected, instruments } = useHealth();
  return h('i', { id: 'health' }, `${state} ${affected}/${instruments}`);
}

export interface Parts {
  symbols: readonly string[];
  spread?: boolean;
  tape?: boolean;
  book?: boolean;
}

function page({ symbols, spread, tape, book }: Parts): ReactNode {
  const first = symbols[0] ?? '';
  return [
    h(State, { key: 'state' }),
    h(Health, { key: 'health' }),
    ...symbols.map((symbol, i) => h(Price, { symbol, key: i })),
    spread ? h(Spread, { symbol: first, key: 'spread' }) : null,
    tape ? h(Tape, { symbol: first, key: 'tape' }) : null,
    book ? h(Depth, { symbol: first, key: 'book' }) : null,
  ];
}

export function mount(element: Element, feed: { client?: Client; options?: ClientOptions }, parts: Parts) {
  const root = createRoot(element);
  const show = (shown: Parts) => flushSync(() => root.render(h(StrictMode, null, h(FeedProvider, { ...feed, children: page(shown) }))));
  show(parts);
  return { show, unmount: () => root.unmount() };
}

export function server(options: ClientOptions, parts: Parts): string {
  return renderToString(h(FeedProvider, { options, children: page(parts) }));
}
