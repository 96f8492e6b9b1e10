/** What lies between clients and the server, and is in the way. */
import { type Socket as Udp, createSocket } from 'node:dgram';
import { type AddressInfo, type Server, type Socket, connect as dial, createServer } from 'node:net';

/** A proxy that cuts off whatever asks to become a WebSocket, unless told to let it through. */
export class Proxy {
  through = false;
  /** What clients asked for: the heads of their requests, as far as each came in the first piece on its connection. */
  readonly heads: string[] = [];
  readonly #open = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    readonly port: number,
  ) {}

  static async before(port: number): Promise<Proxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const proxy = new Proxy(server, (server.address() as AddressInfo).port);
    server.on('connection', (near) => proxy.#carry(near, dial(port, '127.0.0.1')));
    return proxy;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}/v1/ws`;
  }

  /** Ends all connections of this moment. */
  cut(): void {
    for (const socket of this.#open) socket.destroy();
  }

  close(): void {
    this.server.close();
    this.cut();
  }

  #carry(near: Socket, far: Socket): void {
    this.#open.add(near);
    const end = () => {
      this.#open.delete(near);
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) socket.on('error', end).on('close', end);
    far.on('data', (bytes) => near.write(bytes));
    near.once('data', (bytes) => this.heads.push(bytes.toString('latin1')));
    near.on('data', (bytes) => {
      if (!this.through && /^upgrade:\s*websocket/im.test(bytes.toString('latin1'))) end();
      else far.write(bytes);
    });
  }
}

/** A network that carries datagrams to a port, or swallows them. */
export class Datagrams {
  swallowing = false;
  /** Of the server. */
  to = 0;
  readonly #far = new Map<number, Udp>();

  private constructor(
    private readonly near: Udp,
    readonly port: number,
  ) {
    near.on('message', (bytes, from) => {
      if (this.swallowing) return;
      let far = this.#far.get(from.port);
      if (far === undefined) {
        this.#far.set(from.port, (far = createSocket('udp4')));
        far.on('message', (answer) => this.swallowing || near.send(answer, from.port, '127.0.0.1'));
        far.on('error', () => {});
      }
      far.send(bytes, this.to, '127.0.0.1');
    });
  }

  static async open(): Promise<Datagrams> {
    const near = createSocket('udp4');
    await new Promise<void>((resolve) => near.bind(0, '127.0.0.1', resolve));
    return new Datagrams(near, near.address().port);
  }

  close(): void {
    for (const socket of [this.near, ...this.#far.values()]) socket.close();
  }
}
