/**
 * WebTransport, over HTTP/3: a lost packet holds up nobody else's data, and a machine that moves to another network stays connected. A
 * module of its own, so that only pages that want it pay for it.
 */

import { FeedError } from '../errors.js';
import type { Clock, Rung, Socket, WebTransportAddress } from '../types.js';
import { type Offer, offerIn } from './offer.js';
import { type SessionClass, WebTransportSocket } from './socket.js';

export type { Rung, WebTransportAddress } from '../types.js';
export type { Session, SessionClass } from './socket.js';

export interface WebTransportOptions extends WebTransportAddress {
  /** For tests; default: globalThis.WebTransport. */
  WebTransport?: SessionClass;
}

/**
 * WebTransport as a transport of fallback(): `fallback([webtransport(), 'websocket', 'stream', 'poll'])`. Where it is, the server says when a
 * client has come over another transport, which then moves; or give the address. Throws FeedError bad-option.
 */
export function webtransport({ WebTransport, ...address }: WebTransportOptions = {}): Rung {
  const { url, certificateHashes = [] } = address;
  if (url !== undefined && !URL.canParse(url)) throw new FeedError('bad-option', `url ${JSON.stringify(url)}: want one such as https://host/v1/webtransport`);
  return new WebTransportRung(address, url === undefined ? undefined : { url, hashes: certificateHashes.map(bytesOf) }, WebTransport);
}

class WebTransportRung implements Rung {
  readonly name = 'webtransport';
  readonly address: WebTransportAddress;
  readonly #given: Offer | undefined;
  readonly #class: SessionClass | undefined;
  /** By the address of the WebSocket. */
  readonly #told = new Map<string, Offer>();

  constructor(address: WebTransportAddress, given: Offer | undefined, Class: SessionClass | undefined) {
    this.address = address;
    this.#given = given;
    this.#class = Class;
  }

  possible(url: string): boolean {
    return this.#Class !== undefined && this.#offer(url) !== undefined;
  }

  dial(url: string, clock: Clock): Socket {
    return new WebTransportSocket(this.#offer(url)!, this.#Class!, clock);
  }

  heard(url: string, message: Uint8Array): void {
    const offer = offerIn(message, url);
    if (offer === undefined) this.#told.delete(url);
    else this.#told.set(url, offer);
  }

  failed(url: string): void {
    this.#told.delete(url); // another certificate, perhaps; the next welcome says
  }

  kept(url: string): unknown {
    const offer = this.#told.get(url);
    return offer && { url: offer.url, hashes: offer.hashes.map(hexOf) };
  }

  recall(url: string, kept: unknown): void {
    const { url: address, hashes } = kept as { url: string; hashes: string[] };
    this.#told.set(url, { url: address, hashes: hashes.map(bytesOf) });
  }

  get #Class(): SessionClass | undefined {
    return this.#class ?? (globalThis.WebTransport as unknown as SessionClass | undefined);
  }

  #offer(url: string): Offer | undefined {
    return this.#given ?? this.#told.get(url);
  }
}

/** Throws FeedError bad-option. */
function bytesOf(hash: string): Uint8Array<ArrayBuffer> {
  if (!/^([0-9a-f]{2}:?){32}$/i.test(hash)) throw new FeedError('bad-option', `certificate hash ${JSON.stringify(hash)}: want the SHA-256 in 64 hexadecimal digits`);
  return Uint8Array.from(hash.match(/[0-9a-f]{2}/gi)!, (digits) => Number.parseInt(digits, 16));
}

const hexOf = (bytes: Uint8Array) => Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
