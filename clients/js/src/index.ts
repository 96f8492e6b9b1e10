/**
 * Live market data from feedd. Importing has no effect; a client touches nothing until connect() or its first store
 * is called.
 */
export { FeedError } from './errors.js';
export type { FeedErrorCode, LocalErrorCode, ServerErrorCode } from './errors.js';
export { formatDecimal, formatPrice, formatSize } from './decimal.js';
export { formatChangePercent } from './stats.js';
export type * from './types.js';
export { createClient, createTickClient } from './create.js';
