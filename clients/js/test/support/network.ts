import type { Socket } from '../../src/index.js';

/** The server's side of a connection. */
export interface Peer {
  receive(data: Uint8Array): void;
  /** The client has let go, or the network has. */
  ended(): void;
}

type State = 'connecting' | 'open' | 'closing' | 'closed';

/** A WebSocket whose other end is in the same process. */
export class FakeSocket implements Socket {
  binaryType = 'blob';
  protocol = '';
  onopen: ((event: any) => void) | null = null;
  onmessage: ((event: any) => void) | null = null;
  onerror: ((event: any) => void) | null = null;
  onclose: ((event: any) => void) | null = null;
  state: State = 'connecting';
  peer: Peer | undefined;
  closedWith: { code: number | undefined; reason: string | undefined } | undefined;

  constructor(
    readonly url: string,
    readonly protocols: readonly string[],
  ) {}

  /** Neither closed nor asked to. */
  get live(): boolean {
    return this.state === 'connecting' || this.state === 'open';
  }

  open(protocol = 'feedd.v1.proto'): void {
    if (this.state !== 'connecting') return;
    this.state = 'open';
    this.protocol = protocol;
    this.onopen?.({});
  }

  /** A message from the server. */
  deliver(data: Uint8Array | string): void {
    if (this.state !== 'open' && this.state !== 'closing') return;
    this.onmessage?.({ data: typeof data === 'string' ? data : data.slice().buffer });
  }

  /** The connection ends, by the server's doing or the network's. */
  end(code = 1006, reason = ''): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.peer?.ended();
    if (code === 1006) this.onerror?.({});
    this.onclose?.({ code, reason });
  }

  send(data: Uint8Array<ArrayBuffer>): void {
    if (this.state === 'connecting') throw new Error('InvalidStateError');
    if (this.state === 'open') this.peer?.receive(data);
  }

  close(code?: number, reason?: string): void {
    if (!this.live) return;
    if (code !== undefined && code !== 1000 && (code < 3000 || code > 4999)) throw new Error(`InvalidAccessError: code ${code}`);
    if (new TextEncoder().encode(reason ?? '').length > 123) throw new Error('SyntaxError: reason too long');
    this.state = 'closing';
    this.closedWith = { code, reason };
    this.peer?.ended();
  }
}

/** Where sockets are made. */
export class Network {
  readonly sockets: FakeSocket[] = [];
  /** Called for each new socket; opens none by itself. */
  onDial: (socket: FakeSocket) => void = () => {};

  readonly WebSocket = ((network: Network) =>
    class extends FakeSocket {
      constructor(url: string, protocols: string[]) {
        super(url, protocols);
        network.sockets.push(this);
        network.onDial(this);
      }
    })(this);

  get last(): FakeSocket {
    return this.sockets.at(-1)!;
  }

  get live(): FakeSocket[] {
    return this.sockets.filter((s) => s.live);
  }
}
