/**
 * feedd in React 18 and 19: a provider, and a hook for each channel.
 *
 * Components that ask for the same share one store. Whatever changes within an animation frame leads to one render.
 * On a server hooks give what they give before the first row.
 */
export { FeedProvider, useFeed, useFeedState, useHealth } from './provider.js';
export type { FeedProviderProps } from './provider.js';
export { useBars, useBook, useQuote, useQuotes, useStats, useStatus, useTrades } from './hooks.js';
export type { BookView, Selector } from './hooks.js';
