/** The real server, which FEEDD_BIN names, with a simulated market; stopped and started on the same port. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect as dial, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import WebSocket from 'ws';
import { type Client, type ClientOptions, type FeedError, createClient } from '../../src/index.js';

const binary = process.env.FEEDD_BIN;
if (binary === undefined || !existsSync(binary))
  throw new Error(`FEEDD_BIN is ${JSON.stringify(binary)}: want the path of a feedd binary (go build -o bin/feedd ./cmd/feedd)`);

/**
 * A port that nobody listens on. It lies below those that Linux hands out by itself, so that it is still free when the
 * server comes back to it.
 */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_768);
    const server = createServer();
    const free = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!free) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}

export class RealServer {
  nats: URL | undefined;
  /** Where else to look, by the names that the server prints. */
  readonly places = new Map<string, string>();
  private running: ChildProcess | undefined;
  private readonly clients: Client[] = [];

  private constructor(
    readonly dir: string,
    readonly port: number,
    private readonly flags: readonly string[],
  ) {}

  /** A server that runs, with more flags than it takes to do so. */
  static async start(...flags: string[]): Promise<RealServer> {
    const server = new RealServer(await mkdtemp(join(tmpdir(), 'feedd-integration-')), await freePort(), flags);
    await server.start();
    return server;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}/v1/ws`;
  }

  async start(): Promise<void> {
    const args = ['serve', '--listen', `127.0.0.1:${this.port}`, '--admin-listen', '127.0.0.1:0', '--data-dir', this.dir, '--sim', 'on', ...this.flags];
    const child = spawn(binary!, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.running = child;
    const said: string[] = [];
    child.stderr!.on('data', (b) => said.push(String(b)));
    await new Promise<void>((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`feedd ended with ${code}: ${said.join('')}`)));
      createInterface(child.stdout!).on('line', (line) => {
        const [name, value] = line.trim().split(/\s+/);
        if (value !== undefined) this.places.set(name!, value);
        if (name === 'nats') this.nats = new URL(value!);
        if (name === 'ready') resolve();
      });
    });
  }

  /** Ends it, and returns its exit code. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    const child = this.running;
    this.running = undefined;
    if (child === undefined || child.exitCode !== null) return child?.exitCode ?? null;
    const code = new Promise<number | null>((resolve) => child.once('exit', resolve));
    child.kill(signal);
    return code;
  }

  /** Lets a server that was stopped in its tracks go on. */
  resume(): void {
    this.running?.kill('SIGCONT');
  }

  /** Stops it in its tracks: its connections stay, and nobody answers. */
  pause(): void {
    this.running?.kill('SIGSTOP');
  }

  async clean(): Promise<void> {
    this.resume();
    this.closeClients();
    await this.stop();
    await rm(this.dir, { recursive: true, force: true });
  }

  /** A client of it, and the errors that it told of. */
  connect(options: Partial<ClientOptions> = {}): { feed: Client; errors: FeedError[] } {
    const errors: FeedError[] = [];
    const reconnect = { baseMs: 50, maxMs: 500 };
    const feed = createClient({ url: this.url, WebSocket, reconnect, client: 'integration', ...options });
    feed.on('error', (e) => errors.push(e));
    this.clients.push(feed);
    return { feed, errors };
  }

  closeClients(): void {
    for (const client of this.clients.splice(0)) client.close();
  }

  /** A metric of this moment, by its name with its labels, in their order. */
  async metric(name: string): Promise<number> {
    const text = await (await fetch(`${this.places.get('admin')}metrics`)).text();
    return Number(text.split('\n').find((line) => line.startsWith(`${name} `))?.split(' ').at(-1));
  }

  /** Publishes one tick in JSON, as a person with a NATS client would. */
  publish(subject: string, tick: object): Promise<void> {
    const payload = JSON.stringify(tick);
    const { port, hostname } = this.nats!;
    return new Promise((resolve, reject) => {
      const socket = dial(Number(port), hostname, () =>
        socket.write(`CONNECT {"verbose":false}\r\nPUB ${subject} ${payload.length}\r\n${payload}\r\nPING\r\n`),
      );
      socket.on('data', (data) => {
        if (!String(data).includes('PONG')) return;
        socket.end();
        resolve();
      });
      socket.on('error', reject);
    });
  }
}

/** Runs a command of the binary, and returns what it prints. */
export async function feedd(...args: string[]): Promise<string> {
  return (await promisify(execFile)(binary!, args)).stdout.trim();
}

/** Waits for what listeners bring; the test's own time limit ends a wait in vain. */
export function when<T>(subscribe: (fn: (e: T) => void) => () => void, holds: (e: T) => boolean): Promise<T> {
  return new Promise((resolve) => {
    const stop = subscribe((e) => {
      if (!holds(e)) return;
      stop();
      resolve(e);
    });
  });
}
