/** Files of a page by name. `alias` puts another module in the place of one, for tests. */
export function assets(page: "dashboard", options?: { alias?: Record<string, string> }): Promise<Map<string, Uint8Array>>;
