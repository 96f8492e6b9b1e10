/**
 * Live market data from feedd. Importing has no effect; a client touches nothing until connect() or its first store
 * is called.
 */
export { FeedError } from './errors.js';
export type { FeedErrorCode, LocalErrorCode, ServerErrorCode } from './errors.js';
export { formatDecimal, formatPrice, formatSize, parseDecimal } from './decimal.js';
export { formatChangePercent } from './stores/stats.js';
export { watchHealth } from './health.js';
export type { Health, HealthState } from './health.js';
export type * from './types.js';

import { FullClient } from './full.js';
import type { Client, ClientOptions } from './types.js';

/**
 * Makes a client; nothing is opened before connect() or the first store. Throws FeedError bad-option. Pages that count bytes and
 * do not need every channel take "@feedd/client/core".
 */
export function createClient(options: ClientOptions): Client {
  return new FullClient(options);
}
