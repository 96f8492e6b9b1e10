/** What the ways over plain HTTP share: they look like a WebSocket to the connection. */

import type { Clock, Socket } from '../types.js';

/** What is needed of the page's fetch. */
export type Fetch = (url: string, init: { method: 'POST'; body: Uint8Array<ArrayBuffer>; headers: Record<string, string>; signal: AbortSignal }) => Promise<Response>;

const TYPE = 'application/x-protobuf';
/** Largest message that is believed; servers agree to less. */
const MAX_MESSAGE = 1 << 20;
/** What servers take in one request, with some room. */
const MAX_MESSAGES = 64;
const MAX_BODY = 60_000;
/** First bytes of a message that holds a Close, field 29, and nothing else. */
const CLOSE = [0xea, 0x01] as const;
/** Between attempts to bring out the same request. The connection's silence ends what never succeeds. */
export const AGAIN_MS = 1000;
const NO_CODE = 1006;

/** Where a transport is, beside the WebSocket at url. */
export function beside(url: string, transport: string): string {
  const address = new URL(url, globalThis.location?.href);
  address.protocol = address.protocol.replace(/^ws/, 'http');
  address.pathname = address.pathname.replace(/[^/]*$/, transport);
  address.search = address.hash = '';
  return address.href;
}

/** A request's messages, and the number under which it may come twice. */
export interface Batch {
  readonly number: number;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** A connection of requests and answers. It counts as open at once: whether anybody is there shows with the first answer. */
export abstract class HttpSocket implements Socket {
  binaryType = 'arraybuffer';
  readonly protocol = 'feedd.v1.proto';
  onopen: Socket['onopen'] = null;
  onmessage: Socket['onmessage'] = null;
  onerror: Socket['onerror'] = null;
  onclose: Socket['onclose'] = null;
  protected readonly address: string;
  protected readonly clock: Clock;
  protected secret: string | undefined;
  protected ended = false;
  readonly #fetch: Fetch;
  readonly #life = new AbortController();
  #begun = false;
  #waiting: Uint8Array[] = [];
  #sent = 0;

  constructor(address: string, fetch: Fetch, clock: Clock) {
    this.address = address;
    this.#fetch = fetch;
    this.clock = clock;
    queueMicrotask(() => this.ended || this.onopen?.({}));
  }

  send(message: Uint8Array<ArrayBuffer>): void {
    if (this.ended) return;
    this.#waiting.push(message);
    if (this.#begun) {
      this.more();
      return;
    }
    this.#begun = true;
    // What is said in one go is one request.
    queueMicrotask(() => void this.run().catch((e: unknown) => this.end(NO_CODE, String(e))));
  }

  close(): void {
    this.ended = true;
    this.#life.abort();
  }

  /** From the first message to the end. */
  protected abstract run(): Promise<void>;
  /** There is something to say. */
  protected abstract more(): void;

  /** The messages that wait, as far as one request may hold them. */
  protected take(): Batch | undefined {
    const taken: Uint8Array[] = [];
    let length = 0;
    for (const message of this.#waiting) {
      if (taken.length === MAX_MESSAGES || (length > 0 && length + message.length > MAX_BODY)) break;
      const prefix = varint(message.length);
      taken.push(prefix, message);
      length += prefix.length + message.length;
    }
    if (length === 0) return undefined;
    this.#waiting = this.#waiting.slice(taken.length / 2);
    const body = new Uint8Array(length);
    let at = 0;
    for (const part of taken) {
      body.set(part, at);
      at += part.length;
    }
    return { number: this.secret === undefined ? 0 : ++this.#sent, body };
  }

  protected get anything(): boolean {
    return this.#waiting.length > 0;
  }

  protected post(url: string, body: Uint8Array<ArrayBuffer>): Promise<Response> {
    return this.#fetch(url, { method: 'POST', body, headers: { 'Content-Type': TYPE, Accept: TYPE }, signal: this.#life.signal });
  }

  /** The first request, which opens the connection; undefined where it does not. */
  protected async open(): Promise<Response | undefined> {
    const response = await this.post(this.address, this.take()!.body);
    if (this.ended) return undefined;
    this.secret = response.headers.get('Feedd-Secret') ?? undefined;
    if (response.ok && this.secret !== undefined) return response;
    await this.refused(response);
    return undefined;
  }

  /** Ends with what the server says. */
  protected async refused(response: Response): Promise<void> {
    const { status } = response;
    const text = (await response.text().catch(() => '')).trim().slice(0, 120);
    // Only feedd itself says when to come back; a proxy in front of one that is down does not.
    const told = response.headers.get('Retry-After') !== null;
    const code = status === 401 ? 4510 : status === 429 && told ? 4012 : status === 503 && told ? 4005 : NO_CODE;
    this.end(code, `HTTP ${status}${text && `: ${text}`}`);
  }

  protected hear(message: Uint8Array): void {
    if (this.ended) return;
    if (message[0] === CLOSE[0] && message[1] === CLOSE[1]) this.end(...closeOf(message));
    else this.onmessage?.({ data: message });
  }

  protected end(code: number, reason: string): void {
    if (this.ended) return;
    this.close();
    this.onclose?.({ code, reason });
  }

  protected wait(ms: number): Promise<void> {
    const { signal } = this.#life;
    return new Promise((resolve) => {
      const done = () => {
        this.clock.clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = this.clock.setTimeout(done, ms);
      signal.addEventListener('abort', done);
    });
  }
}

/** Takes apart what is laid end to end, each message behind its length. */
export class Delimited {
  #rest = new Uint8Array(0);

  /** The messages that are whole now. Throws for a length that nobody means. */
  push(chunk: Uint8Array): Uint8Array[] {
    let all = chunk;
    if (this.#rest.length > 0) {
      all = new Uint8Array(this.#rest.length + chunk.length);
      all.set(this.#rest);
      all.set(chunk, this.#rest.length);
    }
    const messages: Uint8Array[] = [];
    let at = 0;
    for (;;) {
      const [length, from] = readVarint(all, at);
      if (length > MAX_MESSAGE) throw new Error(`a message of ${length} bytes; want messages behind their lengths, as feedd sends them`);
      if (from === 0 || from + length > all.length) break;
      messages.push(all.subarray(from, (at = from + length)));
    }
    this.#rest = all.slice(at);
    return messages;
  }
}

function varint(n: number): Uint8Array {
  const bytes: number[] = [];
  for (; n > 0x7f; n >>>= 7) bytes.push((n & 0x7f) | 0x80);
  return Uint8Array.from([...bytes, n]);
}

/** A number and where it ends; an end of 0: it is not whole. */
function readVarint(bytes: Uint8Array, from: number): [n: number, end: number] {
  let n = 0;
  for (let at = from; at < bytes.length && at < from + 5; at++) {
    n += (bytes[at]! & 0x7f) * 2 ** (7 * (at - from));
    if (bytes[at]! < 0x80) return [n, at + 1];
  }
  return [bytes.length < from + 5 ? 0 : Infinity, 0];
}

/** Code and reason of a message that holds nothing but a Close: code is its field 1, reason field 2. */
function closeOf(message: Uint8Array): [code: number, reason: string] {
  let code = NO_CODE;
  let reason = '';
  let [, at] = readVarint(message, CLOSE.length);
  while (at > 0 && at < message.length) {
    const tag = message[at]!;
    const [n, end] = readVarint(message, at + 1);
    if (tag === 8) code = n;
    else if (tag === 18) reason = new TextDecoder().decode(message.subarray(end, end + n));
    else break;
    at = tag === 8 ? end : end + n;
  }
  return [code, reason];
}
