import { type Client, type ClientOptions, FeedError, type StateEvent, createClient } from '../../src/index.js';
import { FakeClock, settle } from './clock.js';
import { FakeEnvironment } from './environment.js';
import { Network } from './network.js';
import type { Session } from './protocol.js';
import { Server } from './server.js';

/** A client, a network and a server, with time that stands still. */
export class World {
  readonly clock = new FakeClock();
  readonly network = new Network();
  readonly environment = new FakeEnvironment();
  readonly server: Server;
  readonly client: Client;
  readonly states: StateEvent[] = [];
  readonly errors: FeedError[] = [];

  constructor(symbols: readonly string[] = [], options: Partial<ClientOptions> = {}) {
    this.server = new Server(this.clock, symbols);
    this.client = createClient({
      url: 'ws://feed/v1/ws',
      WebSocket: this.network.WebSocket,
      clock: this.clock,
      environment: this.environment,
      random: () => 0.5,
      ...options,
    });
    this.client.on('state', (e) => this.states.push(e));
    this.client.on('error', (e) => this.errors.push(e));
  }

  /** Lets the server take whatever the client dials. */
  async up(): Promise<Session> {
    this.client.connect();
    return this.accept();
  }

  async accept(): Promise<Session> {
    const session = this.server.accept(this.network.last);
    await settle();
    return session;
  }

  /** Accepts every connection at once from here on. */
  acceptAll(): void {
    this.network.onDial = (socket) => queueMicrotask(() => this.server.accept(socket));
  }

  async flush(): Promise<void> {
    this.server.flush();
    await settle();
  }
}
