/** The server's ways over plain HTTP, in front of the Server of the tests, as PROTOCOL.md has them. */
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { Fetch } from '../../src/fallback/http.js';
import { FakeSocket } from './network.js';
import type { Server } from './server.js';

interface Connection {
  socket: FakeSocket;
  /** Requests with messages so far. */
  requests: number;
  /** Of a stream. */
  out: ReadableStreamDefaultController<Uint8Array> | undefined;
  /** Of polls: what there is for the next answer, the last one, and its number. */
  messages: Uint8Array[];
  answer: Uint8Array | undefined;
  number: number;
  wake: () => void;
  /** How many polls came: one that waits is answered once the next is there. */
  polls: number;
  ended: boolean;
}

export class Gateway {
  /** Requests that came, as "transport query". */
  readonly log: string[] = [];
  /** What becomes of requests: answered; cut off; held back for good; or refused with a status. */
  stream: 'up' | 'down' | 'held' | number = 'up';
  poll: 'up' | 'down' | number = 'up';
  /** The next so many requests for more arrive, but their answers do not. */
  losing = 0;
  readonly connections: Connection[] = [];

  constructor(private readonly server: Server) {}

  readonly fetch: Fetch = async (url, { body, signal }) => {
    const { pathname, searchParams } = new URL(url);
    const [, , transport, secret] = pathname.split('/') as [string, string, 'stream' | 'poll', string | undefined];
    this.log.push(`${transport}${secret === undefined ? '' : ` ${[...searchParams].map((p) => p.join('=')).join(' ')}`}`);
    const mode = this[transport];
    if (mode === 'down') throw new TypeError('fetch failed');
    if (mode === 'held') return new Promise((_, reject) => signal.addEventListener('abort', () => reject(new DOMException('', 'AbortError'))));
    if (typeof mode === 'number') return new Response('not now', { status: mode });
    const c = secret === undefined ? this.open(transport, signal) : this.connections[Number(secret)]!;
    const send = Number(searchParams.get('send') ?? 0);
    if (secret === undefined || send > c.requests) {
      c.requests = send;
      for (const message of split(body)) c.socket.send(message);
    }
    const headers = { 'Feedd-Secret': String(this.connections.indexOf(c)) };
    if (transport === 'stream' && secret === undefined)
      return new Response(new ReadableStream({ start: (out) => void (c.out = out) }), { headers });
    if (this.losing > 0) {
      this.losing--;
      if (transport === 'poll') await this.collect(c, Number(searchParams.get('after')), signal);
      throw new TypeError('fetch failed');
    }
    if (transport === 'stream') return new Response(null, { status: 204 });
    const answer = await this.collect(c, Number(searchParams.get('after') ?? 0), signal);
    if (answer === undefined) return new Response('ended', { status: 410 });
    if (answer.length === 0) return new Response(null, { status: 204 });
    return new Response(answer.slice(), { headers: { ...headers, 'Feedd-Answer': String(c.number) } });
  };

  /** Ends a connection with its last message. */
  close(code: number, reason: string): void {
    const c = this.connections.at(-1)!;
    const close = new BinaryWriter().tag(1, WireType.Varint).uint32(code).tag(2, WireType.LengthDelimited).string(reason).finish();
    this.say(c, new BinaryWriter().tag(29, WireType.LengthDelimited).bytes(close).finish());
    c.ended = true;
    c.socket.end(code, reason);
    c.out?.close();
  }

  /** The network is gone, in the middle of an answer. */
  cut(): void {
    this.connections.at(-1)!.out!.error(new TypeError('network error'));
  }

  private open(transport: 'stream' | 'poll', signal: AbortSignal): Connection {
    const socket = new FakeSocket(transport, []);
    const c: Connection = { socket, requests: 0, out: undefined, messages: [], answer: undefined, number: 0, wake: () => {}, polls: 0, ended: false };
    socket.onmessage = ({ data }) => this.say(c, new Uint8Array(data));
    if (transport === 'stream') signal.addEventListener('abort', () => socket.close());
    this.connections.push(c);
    this.server.accept(socket);
    return c;
  }

  private say(c: Connection, message: Uint8Array): void {
    const framed = new BinaryWriter().bytes(message).finish();
    if (c.out === undefined) {
      c.messages.push(framed);
      c.wake();
      return;
    }
    // In pieces, as networks do it.
    c.out.enqueue(framed.subarray(0, 1));
    c.out.enqueue(framed.subarray(1));
  }

  private async collect(c: Connection, after: number, signal: AbortSignal): Promise<Uint8Array | undefined> {
    const turn = ++c.polls;
    c.wake();
    if (c.answer !== undefined && after === c.number - 1) return c.answer;
    if (after !== c.number) throw new Error(`after=${after}, want ${c.number}`);
    while (c.messages.length === 0) {
      if (c.ended) return undefined;
      await new Promise<void>((resolve, reject) => {
        c.wake = resolve;
        signal.addEventListener('abort', () => reject(new DOMException('', 'AbortError')));
      });
      if (turn !== c.polls) return new Uint8Array(0);
    }
    c.number++;
    const size = c.messages.reduce((sum, m) => sum + m.length, 0);
    const all = new Uint8Array(size);
    let at = 0;
    for (const m of c.messages.splice(0)) {
      all.set(m, at);
      at += m.length;
    }
    return (c.answer = all);
  }
}

function* split(body: Uint8Array): Generator<Uint8Array<ArrayBuffer>> {
  const r = new BinaryReader(body);
  while (r.pos < r.len) yield r.bytes().slice();
}
