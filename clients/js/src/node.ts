/// <reference types="node" />
/**
 * feedd in Node 20 and up. createClient takes the runtime's own WebSocket (Node 22 and up) or the one of the `ws` package where
 * that is installed, which also compresses.
 */
export * from './index.js';

import { createRequire } from 'node:module';

import { FeedError } from './errors.js';
import { createClient as createAny } from './index.js';
import type { Client, ClientOptions } from './types.js';

/** As createClient of "@feedd/client". Throws FeedError no-websocket where neither WebSocket is there. */
export function createClient(options: ClientOptions): Client {
  return createAny(options.WebSocket === undefined ? { ...options, WebSocket: findWebSocket() } : options);
}

function findWebSocket(): NonNullable<ClientOptions['WebSocket']> {
  try {
    return createRequire(import.meta.url)('ws') as NonNullable<ClientOptions['WebSocket']>;
  } catch {
    const { WebSocket } = globalThis;
    if (WebSocket !== undefined) return WebSocket as NonNullable<ClientOptions['WebSocket']>;
    throw new FeedError('no-websocket', 'this Node has no WebSocket, and the package ws is not installed');
  }
}
