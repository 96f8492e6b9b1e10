/// <reference types="node" />
/**
 * feedd in Node 20 and up. createClient takes the runtime's own WebSocket (Node 22 and up) or the one of the `ws` package where
 * that is installed, which also compresses.
 */
export * from './index.js';

import { createRequire } from 'node:module';

import { FeedError } from './errors.js';
import { createClient as createAny } from './index.js';
import type { Client, ClientOptions, SocketClass } from './types.js';

/** As createClient of "@feedd/client". Throws FeedError no-websocket where neither WebSocket is there. */
export function createClient(options: ClientOptions): Client {
  if (options.WebSocket !== undefined) return createAny(options);
  const WebSocket = findWebSocket();
  if (WebSocket === undefined && options.transports === undefined) throw new FeedError('no-websocket', 'this Node has no WebSocket, and the package ws is not installed');
  return createAny({ ...options, ...(WebSocket !== undefined && { WebSocket }) });
}

function findWebSocket(): SocketClass | undefined {
  try {
    return createRequire(import.meta.url)('ws') as SocketClass;
  } catch {
    return globalThis.WebSocket as SocketClass | undefined;
  }
}
