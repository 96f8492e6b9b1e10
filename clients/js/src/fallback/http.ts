/** What the ways over plain HTTP share: they look like a WebSocket to the connection. */

import type { Clock, Socket } from '../types.js';
import { NO_CODE, closeOf, varint } from './messages.js';

/** What is needed of the page's fetch. */
export type Fetch = (url: string, init: { method: 'POST'; body: Uint8Array<ArrayBuffer>; headers: Record<string, string>; signal: AbortSignal }) => Promise<Response>;

const TYPE = 'application/x-protobuf';
/** What servers take in one request, with some room. */
const MAX_MESSAGES = 64;
const MAX_BODY = 60_000;
/** Between attempts to bring out the same request. The connection's silence ends what never succeeds. */
export const AGAIN_MS = 1000;

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
    queueMicrotask(() => void this.run().catch((e: unknown) => this.end(NO_CODE, `no answer: ${e instanceof Error ? e.message : String(e)}`)));
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
    const close = closeOf(message);
    if (close !== undefined) this.end(...close);
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
