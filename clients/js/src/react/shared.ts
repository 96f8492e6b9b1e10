/** Stores that components share: opened by the first that shows one, closed after the last is gone. */

import type { Client, Store } from '../types.js';
import { Frames } from './frames.js';

/** How a store becomes a value that React can compare. */
export interface Source<S extends Store, V> {
  /** Tells apart what may share a store. */
  readonly key: string;
  open(client: Client): S;
  /** Calls `changed` for whatever changes the value. */
  listen(store: S, changed: () => void): void;
  /** The value now; the same as `before` where nothing changed. */
  read(store: S, before: V | undefined): V;
}

/** Milliseconds that a store which was asked for in a render waits to be shown: renders may be thrown away. */
const UNUSED_MS = 10_000;

/** One store and what it last showed. The value stands still between frames, whatever arrives. */
export class Shared<S extends Store = Store, V = unknown> {
  value: V | undefined;
  readonly #client: Client;
  readonly #source: Source<S, V>;
  readonly #frames: Frames;
  readonly #gone: () => void;
  readonly #listeners = new Set<() => void>();
  #store: S | undefined;
  #closing: ReturnType<typeof setTimeout> | undefined;

  constructor(client: Client, source: Source<S, V>, frames: Frames, gone: () => void) {
    this.#client = client;
    this.#source = source;
    this.#frames = frames;
    this.#gone = gone;
    this.#closing = setTimeout(() => this.#close(), UNUSED_MS);
    (this.#closing as { unref?: () => void }).unref?.(); // in Node it must not keep a server from ending
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    clearTimeout(this.#closing);
    this.#listeners.add(listener);
    if (this.#store === undefined) this.#open();
    return () => {
      this.#listeners.delete(listener);
      // StrictMode, and a component that moves, lets go and takes hold again at once.
      if (this.#listeners.size === 0) this.#closing = setTimeout(() => this.#close());
    };
  };

  readonly get = (): V | undefined => this.value;

  #open(): void {
    const store = this.#source.open(this.#client);
    this.#store = store;
    this.#source.listen(store, () => this.#frames.plan(this.#show));
    this.#frames.plan(this.#show); // what other stores of the same symbols hold already
  }

  readonly #show = (): void => {
    if (this.#store === undefined) return;
    const before = this.value;
    this.value = this.#source.read(this.#store, before);
    if (this.value !== before) for (const listener of [...this.#listeners]) listener();
  };

  #close(): void {
    this.#frames.cancel(this.#show);
    this.#store?.close();
    this.#store = undefined;
    this.value = undefined;
    this.#gone();
  }
}

/** The shared stores of one client. */
export class SharedStores {
  readonly #client: Client;
  readonly #frames = new Frames();
  readonly #stores = new Map<string, Shared>();

  constructor(client: Client) {
    this.#client = client;
  }

  of<S extends Store, V>(source: Source<S, V>): Shared<S, V> {
    let shared = this.#stores.get(source.key) as Shared<S, V> | undefined;
    if (shared === undefined) {
      const made: Shared<S, V> = new Shared(this.#client, source, this.#frames, () => {
        if (this.#stores.get(source.key) === (made as unknown)) this.#stores.delete(source.key);
      });
      shared = made;
      this.#stores.set(source.key, made as unknown as Shared);
    }
    return shared;
  }
}

const byClient = new WeakMap<Client, SharedStores>();

/** The shared stores of a client, whichever provider gives it. */
export function storesOf(client: Client): SharedStores {
  let stores = byClient.get(client);
  if (stores === undefined) {
    stores = new SharedStores(client);
    byClient.set(client, stores);
  }
  return stores;
}
