import { Delimited, NO_CODE, closeOf, varint } from '../fallback/messages.js';
import type { Clock, Socket } from '../types.js';
import type { Offer } from './offer.js';

/** What is needed of the browser's WebTransport. */
export interface Session {
  readonly ready: Promise<unknown>;
  readonly closed: Promise<{ closeCode?: number; reason?: string }>;
  createBidirectionalStream(): Promise<{ readonly readable: ReadableStream<Uint8Array>; readonly writable: WritableStream<Uint8Array> }>;
  close(): void;
}
export type SessionClass = new (url: string, options: { serverCertificateHashes: Array<{ algorithm: string; value: Uint8Array<ArrayBuffer> }> }) => Session;

/** From the first packet to the stream. Networks that let no UDP through say nothing. */
const OPEN_MS = 4000;

/** One stream of a session of WebTransport; it looks like a WebSocket to the connection. */
export class WebTransportSocket implements Socket {
  binaryType = 'arraybuffer';
  readonly protocol = 'feedd.v1.proto';
  onopen: Socket['onopen'] = null;
  onmessage: Socket['onmessage'] = null;
  onerror: Socket['onerror'] = null;
  onclose: Socket['onclose'] = null;
  readonly #clock: Clock;
  readonly #timer: unknown;
  #session: Session | undefined;
  #writer: WritableStreamDefaultWriter<Uint8Array> | undefined;
  #ended = false;

  constructor({ url, hashes }: Offer, Class: SessionClass, clock: Clock) {
    this.#clock = clock;
    this.#timer = clock.setTimeout(() => this.#end(NO_CODE, `no session with ${url} within ${OPEN_MS / 1000} s`), OPEN_MS);
    // Also what the class throws at once, for a page that may not have it, is an end that is told later.
    queueMicrotask(async () => {
      try {
        if (!this.#ended) await this.#run(new Class(url, { serverCertificateHashes: hashes.map((value) => ({ algorithm: 'sha-256', value })) }));
      } catch (e) {
        this.#end(NO_CODE, String(e));
      }
    });
  }

  send(message: Uint8Array<ArrayBuffer>): void {
    const prefix = varint(message.length);
    const whole = new Uint8Array(prefix.length + message.length);
    whole.set(prefix);
    whole.set(message, prefix.length);
    this.#writer?.write(whole).catch(() => {}); // reading fails too, and says why
  }

  close(): void {
    this.#ended = true;
    this.#clock.clearTimeout(this.#timer);
    try {
      this.#session?.close();
    } catch {
      // It is over already.
    }
  }

  async #run(session: Session): Promise<void> {
    this.#session = session;
    // The last message says the same, and sooner: this is for ends without one.
    session.closed.then(
      ({ closeCode, reason }) => this.#end(closeCode || NO_CODE, reason ?? ''),
      (e: unknown) => this.#end(NO_CODE, String(e)),
    );
    await session.ready;
    const { readable, writable } = await session.createBidirectionalStream();
    if (this.#ended) return;
    this.#clock.clearTimeout(this.#timer);
    this.#writer = writable.getWriter();
    this.#writer.closed.catch(() => {});
    this.onopen?.({});
    const reader = readable.getReader();
    const messages = new Delimited();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      for (const message of messages.push(value)) this.#hear(message);
    }
    this.#end(NO_CODE, 'the stream ended');
  }

  #hear(message: Uint8Array): void {
    if (this.#ended) return;
    const close = closeOf(message);
    if (close !== undefined) this.#end(...close);
    else this.onmessage?.({ data: message });
  }

  #end(code: number, reason: string): void {
    if (this.#ended) return;
    this.close();
    this.onclose?.({ code, reason });
  }
}
