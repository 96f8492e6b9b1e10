/** WebTransport in front of the Server of the tests, as PROTOCOL.md has it. */
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { Session, SessionClass } from '../../src/webtransport/index.js';
import { FakeSocket } from './network.js';
import type { Server } from './server.js';

/** What becomes of sessions: they begin; are refused; bring nothing; or nothing is ever heard of them. */
export type Udp = 'open' | 'refused' | 'mute' | 'silent';

export class Sessions {
  udp: Udp = 'open';
  /** Those that were asked for, with the hashes by which the server was to be known. */
  readonly dialled: Array<{ url: string; hashes: Uint8Array[] }> = [];
  readonly all: FakeSession[] = [];

  constructor(private readonly server: Server) {}

  get WebTransport(): SessionClass {
    const sessions = this;
    return class {
      constructor(url: string, options: { serverCertificateHashes: Array<{ algorithm: string; value: Uint8Array<ArrayBuffer> }> }) {
        sessions.dialled.push({ url, hashes: options.serverCertificateHashes.map((h) => h.value) });
        const session = new FakeSession(sessions.server, sessions.udp);
        sessions.all.push(session);
        return session;
      }
    } as unknown as SessionClass;
  }

  get live(): FakeSession[] {
    return this.all.filter((s) => s.live);
  }
}

export class FakeSession implements Session {
  live = true;
  readonly ready: Promise<unknown>;
  readonly closed: Promise<{ closeCode?: number; reason?: string }>;
  private settle!: { closed: (info: { closeCode?: number; reason?: string }) => void; broken: (e: Error) => void };
  private out: ReadableStreamDefaultController<Uint8Array> | undefined;
  private socket: FakeSocket | undefined;

  constructor(
    private readonly server: Server,
    private readonly udp: Udp,
  ) {
    this.closed = new Promise((closed, broken) => (this.settle = { closed, broken }));
    this.ready = udp === 'refused' ? Promise.reject(new Error('Opening handshake failed.')) : udp === 'silent' ? new Promise(() => {}) : Promise.resolve();
    if (udp === 'refused') this.cut('Opening handshake failed.');
  }

  async createBidirectionalStream() {
    const socket = (this.socket = new FakeSocket('webtransport', []));
    const readable = new ReadableStream<Uint8Array>({ start: (out) => void (this.out = out) });
    let rest = new Uint8Array(0);
    const writable = new WritableStream<Uint8Array>({
      write: (chunk) => {
        rest = Uint8Array.from([...rest, ...chunk]);
        const r = new BinaryReader(rest);
        while (r.pos < r.len) socket.send(r.bytes().slice());
        rest = new Uint8Array(0);
      },
    });
    socket.onmessage = ({ data }) => this.say(new Uint8Array(data));
    if (this.udp === 'open') this.server.accept(socket);
    return { readable, writable };
  }

  /** The client's close. */
  close(): void {
    if (!this.live) throw new Error('InvalidStateError');
    this.live = false;
    this.socket?.close();
    this.settle.closed({});
  }

  /** The server ends it, with its last message or without. */
  end(code: number, reason: string, lastMessage = true): void {
    this.live = false;
    const close = new BinaryWriter().tag(1, WireType.Varint).uint32(code).tag(2, WireType.LengthDelimited).string(reason).finish();
    if (lastMessage) this.say(new BinaryWriter().tag(29, WireType.LengthDelimited).bytes(close).finish());
    this.socket?.end(code, reason);
    this.settle.closed({ closeCode: code, reason });
  }

  /** The network is gone. */
  cut(why = 'Connection lost.'): void {
    this.live = false;
    this.socket?.end();
    this.settle.broken(new Error(why));
    this.out?.error(new Error(why));
  }

  private say(message: Uint8Array): void {
    const framed = new BinaryWriter().bytes(message).finish();
    this.out!.enqueue(framed.subarray(0, 3)); // in pieces, as networks do it
    this.out!.enqueue(framed.subarray(3));
  }
}
