/** The worker's side: one client, and the stores that tabs opened on it. */

import type { Core } from '../client.js';
import { FeedError } from '../errors.js';
import { fallback } from '../fallback/index.js';
import { createClient } from '../index.js';
import type { Client, ClientOptions, Environment, EnvironmentChange, Instrument, TokenRequest } from '../types.js';
import { webtransport } from '../webtransport/index.js';
import { HostedStore } from './hosted.js';
import type { FromWorker, SharedSettings, ToWorker } from './messages.js';

/** What the host needs of a port; a MessagePort has it. */
export interface Port {
  postMessage(message: FromWorker): void;
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
  close(): void;
}

/** For how long a tab may think about a token. */
const TOKEN_MS = 30_000;
/** How often tabs are told how the client stands. */
const STANDING_MS = 1000;

/** Serves the tabs that connect to this SharedWorker: what a worker of your own calls. */
export function serveTabs(): void {
  const host = new Host();
  globalThis.addEventListener('connect', (event) => {
    for (const port of (event as MessageEvent).ports) host.attach(port as Port);
  });
}

/** Serves all tabs of a worker. What they say of a client's options counts where it is said first. */
export class Host {
  readonly #more: Partial<ClientOptions>;
  readonly #tabs = new Set<Tab>();
  readonly #environment = new TabsEnvironment();
  #client: Client | undefined;
  #url = '';
  #standing: ReturnType<typeof setInterval> | undefined;
  #asked = 0;
  readonly #awaited = new Map<number, (answer: { token?: string | null; failed?: string }) => void>();

  /** With more options of the client, for tests. */
  constructor(more: Partial<ClientOptions> = {}) {
    this.#more = more;
  }

  /** A tab has come. */
  attach(port: Port): void {
    port.postMessage({ type: 'here' });
    let tab: Tab | undefined;
    port.onmessage = ({ data }) => {
      if (data.type === 'hello') {
        tab ??= this.#welcome(port, data);
        return;
      }
      if (tab === undefined || !this.#tabs.has(tab)) return;
      switch (data.type) {
        case 'open':
          tab.open(data.store, data.request);
          break;
        case 'rate':
          tab.stores.get(data.store)?.setRate(data.cadenceMs);
          break;
        case 'close':
          tab.stores.get(data.store)?.close();
          tab.stores.delete(data.store);
          break;
        case 'hidden':
          tab.hidden = data.hidden;
          this.#look();
          break;
        case 'ceiling':
          tab.ceiling = data.bytesPerSecond;
          this.#bound();
          break;
        case 'token':
          this.#awaited.get(data.asked)?.(data);
          break;
        case 'reconnect':
          this.#client?.connect();
          this.#client?.reconnectNow();
          break;
        case 'bye':
          this.#leave(tab);
          break;
      }
    };
  }

  #welcome(port: Port, hello: Extract<ToWorker, { type: 'hello' }>): Tab | undefined {
    const client = (this.#client ??= this.#make(hello.settings, hello.givesTokens));
    if (hello.settings.url !== this.#url) {
      const error = new FeedError('bad-option', `url ${hello.settings.url}: this worker is connected to ${this.#url}; give each address a worker of its own name`);
      port.postMessage({ type: 'error', code: error.code, text: error.text, retrying: false });
      return undefined;
    }
    const tab = new Tab(port, client, hello.givesTokens, hello.hidden);
    this.#tabs.add(tab);
    this.#look();
    this.#bound();
    if (hello.lock !== undefined) {
      // The browser gives the lock when the tab is gone, however it went: ports say nothing of that everywhere.
      void globalThis.navigator?.locks?.request(hello.lock, () => this.#leave(tab));
    }
    // Statuses are told when they change: a tab that comes later is told those that there are.
    for (const { status: event, told } of (client as unknown as Core).feed?.instruments.bySymbol.values() ?? [])
      if (told) port.postMessage({ type: 'event', name: 'status', event });
    client.connect();
    this.#tellStanding();
    this.#standing ??= setInterval(() => this.#tellStanding(), STANDING_MS);
    return tab;
  }

  #make(settings: SharedSettings, givesTokens: boolean): Client {
    this.#url = settings.url;
    const tokens = givesTokens ? { getToken: (request: TokenRequest) => this.#token(request) } : {};
    const { order, webtransport: address, ...rest } = settings;
    const transports = order === undefined ? {} : { transports: fallback(order.map((name) => (name === 'webtransport' ? webtransport(address) : name))) };
    const client = createClient({ ...rest, ...transports, environment: this.#environment, ...tokens, ...this.#more });
    client.on('error', ({ code, text, retrying }) => this.#tell({ type: 'error', code, text, retrying }));
    client.on('state', (event) => {
      this.#tellStanding();
      this.#tell({ type: 'event', name: 'state', event });
    });
    for (const name of ['source', 'status', 'goaway', 'pace'] as const) client.on(name, (event) => this.#tell({ type: 'event', name, event }));
    client.on('instrument', (event) => {
      for (const tab of this.#tabs) tab.introduce([event]);
      this.#tell({ type: 'event', name: 'instrument', event });
    });
    return client;
  }

  #leave(tab: Tab): void {
    if (!this.#tabs.delete(tab)) return;
    tab.end();
    this.#look();
    this.#bound();
    if (this.#tabs.size > 0) return;
    // Browsers end a worker without tabs; where one lives on, it holds no connection.
    clearInterval(this.#standing);
    this.#standing = undefined;
    this.#client?.close();
    this.#client = undefined;
  }

  /** Nobody looks when no tab is shown. */
  #look(): void {
    this.#environment.show(this.#tabs.size === 0 || [...this.#tabs].some((tab) => !tab.hidden));
  }

  /** The connection may bring what the most generous of its tabs allows. */
  #bound(): void {
    const ceilings = [...this.#tabs].map((tab) => tab.ceiling);
    this.#client?.setCeiling(ceilings.includes(0) ? 0 : Math.max(0, ...ceilings));
  }

  /** Asks the tabs that give tokens, one after the other: one may be frozen. */
  async #token({ reason, signal }: TokenRequest): Promise<string | null> {
    let failed = 'no tab answers';
    const givers = [...this.#tabs].filter((tab) => tab.givesTokens);
    for (const tab of givers.sort((a, b) => Number(a.hidden) - Number(b.hidden))) {
      const asked = ++this.#asked;
      const answer = await new Promise<{ token?: string | null; failed?: string }>((resolve) => {
        const timer = setTimeout(() => resolve({}), TOKEN_MS);
        this.#awaited.set(asked, (said) => {
          clearTimeout(timer);
          resolve(said);
        });
        signal.addEventListener('abort', () => this.#awaited.get(asked)?.({ failed: 'nobody waits any more' }));
        tab.port.postMessage({ type: 'ask-token', asked, reason });
      });
      this.#awaited.delete(asked);
      if (answer.token !== undefined) return answer.token;
      failed = answer.failed ?? failed;
      if (signal.aborted) break;
    }
    throw new Error(failed);
  }

  #tellStanding(): void {
    const client = this.#client;
    if (client === undefined) return;
    const { state, session, server, transport, latency, traffic } = client;
    this.#tell({ type: 'standing', standing: { state, session, server, transport, latency, traffic } });
  }

  #tell(message: FromWorker): void {
    for (const { port } of this.#tabs) port.postMessage(message);
  }
}

/** What the host knows of a tab. */
class Tab {
  readonly stores = new Map<number, HostedStore>();
  /** Bytes a second; 0: none. */
  ceiling = 0;
  /** Instruments that it was told of, as they were then: one that is defined anew takes its own place. */
  readonly #known = new Map<string, Instrument>();

  constructor(
    readonly port: Port,
    readonly client: Client,
    readonly givesTokens: boolean,
    public hidden: boolean,
  ) {}

  open(store: number, request: ConstructorParameters<typeof HostedStore>[1]): void {
    try {
      this.stores.set(store, new HostedStore(this.client, request, (instruments) => this.introduce(instruments), (news) => this.port.postMessage({ type: 'news', store, ...news })));
    } catch (e) {
      const { code, text } = e instanceof FeedError ? e : new FeedError('bad-option', String(e));
      this.port.postMessage({ type: 'error', code, text, retrying: false });
    }
  }

  /** Tells of instruments ahead of the rows that name them. */
  introduce(instruments: readonly Instrument[]): void {
    const fresh = instruments.filter((instrument) => this.#known.get(instrument.symbol) !== instrument);
    if (fresh.length === 0) return;
    for (const instrument of fresh) this.#known.set(instrument.symbol, instrument);
    this.port.postMessage({ type: 'instruments', instruments: fresh });
  }

  end(): void {
    for (const store of this.stores.values()) store.close();
    this.stores.clear();
    this.port.onmessage = null;
    this.port.close();
  }
}

/** The page as the tabs make it: hidden when all are; the network is the worker's own. */
class TabsEnvironment implements Environment {
  #shown = true;
  readonly #listeners = new Set<(change: EnvironmentChange) => void>();

  get hidden(): boolean {
    return !this.#shown;
  }

  listen(fn: (change: EnvironmentChange) => void): () => void {
    const stop = new AbortController();
    for (const change of ['online', 'offline'] as const) globalThis.addEventListener?.(change, () => fn(change), { signal: stop.signal });
    this.#listeners.add(fn);
    return () => {
      stop.abort();
      this.#listeners.delete(fn);
    };
  }

  show(shown: boolean): void {
    if (this.#shown === shown) return;
    this.#shown = shown;
    for (const fn of this.#listeners) fn('visibility');
  }
}
