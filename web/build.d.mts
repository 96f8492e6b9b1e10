/** Assets by file name. `alias` puts another module in the place of one, for tests. */
export function assets(options?: { alias?: Record<string, string> }): Promise<Map<string, Uint8Array>>;
