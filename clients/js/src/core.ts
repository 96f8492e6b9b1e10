/**
 * The client in parts: a connection, and a function for each channel, of which a bundle holds only those that it calls.
 * Importing has no effect; a client touches nothing until connect() or its first store is called.
 */
export { FeedError } from './errors.js';
export type { FeedErrorCode, LocalErrorCode, ServerErrorCode } from './errors.js';
export { formatDecimal, formatPrice, formatSize, parseDecimal } from './decimal.js';
export { formatChangePercent } from './stores/stats.js';
export { watchHealth } from './health.js';
export type { Health, HealthState } from './health.js';
export type * from './types.js';
export { bars, book, quotes, stats, status, tradeSummaries, trades } from './channels.js';

import { Core } from './client.js';
import type { ClientOptions, CoreClient } from './types.js';

/** Makes a client without channels: each is a function of this module, `quotes(client, symbols)`. Throws FeedError bad-option. */
export function createClient(options: ClientOptions): CoreClient {
  return new Core(options);
}
