/** What a datafeed asks once rather than subscribes: the directory, and bars of the past. */

import type { GetToken } from '../types.js';
import type { ChartBar } from './types.js';

export interface HttpOptions {
  /** Address of the service's pages: "https://host". */
  baseUrl: string;
  /** As that of the client; absent where the service asks nobody. */
  getToken?: GetToken;
  fetch?: typeof globalThis.fetch;
}

export interface DirectoryEntry {
  symbol: string;
  description: string;
  priceScale: number;
  sizeScale: number;
  priceStep: number;
  assetClass: string;
  sessionStartS: number;
  timeZone: string;
}

interface BarText {
  start: string;
  open: string;
  high: string;
  low: string;
  close: string;
  volume: string;
  trades?: string;
}

export class Http {
  readonly #options: HttpOptions;

  constructor(options: HttpOptions) {
    this.#options = options;
  }

  async search(text: string, symbols: string, limit: number): Promise<DirectoryEntry[]> {
    const query = new URLSearchParams({ limit: String(limit) });
    if (text !== '') query.set('q', text);
    if (symbols !== '') query.set('symbols', symbols);
    const answer = (await this.#get('/v1/instruments', query)) as { instruments?: DirectoryEntry[] };
    return answer.instruments ?? [];
  }

  /** The newest bars, oldest first, all that the server keeps up to `history` closed ones. */
  async bars(symbol: string, seconds: number, history: number): Promise<ChartBar[]> {
    const query = new URLSearchParams({ symbols: symbol, channels: 'bar', bar_seconds: String(seconds), history: String(history) });
    const answer = (await this.#get('/v1/snapshot', query)) as { barTexts?: BarText[] };
    return (answer.barTexts ?? [])
      .filter((bar) => bar.trades !== undefined) // a bar without trades was cancelled
      .map((bar) => ({
        time: Date.parse(bar.start), open: Number(bar.open), high: Number(bar.high), low: Number(bar.low), close: Number(bar.close), volume: Number(bar.volume),
      }))
      .sort((a, b) => a.time - b.time);
  }

  async #get(path: string, query: URLSearchParams): Promise<unknown> {
    const { baseUrl, getToken, fetch = globalThis.fetch } = this.#options;
    const headers: Record<string, string> = { accept: 'application/json' };
    const token = await getToken?.({ reason: 'connect', signal: new AbortController().signal });
    if (token) headers['authorization'] = `Bearer ${token}`;
    const response = await fetch(new URL(`${path}?${query}`, baseUrl).href, { headers });
    if (!response.ok) throw new Error((await response.text()).trim() || `${response.status} ${response.statusText}`);
    return response.json();
  }
}
