/**
 * Live quotes and trades from feedd. Importing has no effect; createClient touches nothing until its
 * connect(), quotes() or trades() is called.
 */
export { FeedError } from './errors.js';
export type { FeedErrorCode, LocalErrorCode, ServerErrorCode } from './errors.js';
export { formatDecimal, formatPrice, formatSize } from './decimal.js';
export type * from './types.js';
export { createClient } from './client.js';
