import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** The binary under test. */
export function binary(): string {
  const path = process.env["FEEDD_BIN"];
  if (path === undefined || path === "") throw new Error("FEEDD_BIN is not set: want the path of a feedd binary, such as one from `go build -o bin/feedd ./cmd/feedd`");
  return path;
}

/** A feedd of the tests' own. */
export interface Server {
  /** Where the dashboard is, with a slash at the end. */
  readonly url: string;
  readonly natsUrl: string;
  /** Where operators look, with a slash at the end. */
  readonly adminUrl: string;
  /** Ends it without warning, as a crash does. */
  kill(): Promise<void>;
  /** Ends it as an operator does, and returns its exit status. */
  stop(): Promise<number | null>;
  /** Starts it again at the same address with the same state. */
  restart(): Promise<Server>;
  /** Stops it in its tracks, and its NATS with it: sockets stay open, and nothing answers. */
  freeze(): void;
  thaw(): void;
  /** Removes its state; after the last stop. */
  clean(): Promise<void>;
}

/** more: further flags. */
export async function startServer(sim: "on" | "off", ...more: string[]): Promise<Server> {
  binary(); // says what is missing before anything is made
  const state = await mkdtemp(join(tmpdir(), "feedd-e2e-"));
  return start(state, sim, "127.0.0.1:0", more);
}

async function start(state: string, sim: "on" | "off", listen: string, more: string[]): Promise<Server> {
  const child = spawn(binary(), ["serve", "--listen", listen, "--admin-listen", "127.0.0.1:0", "--data-dir", state, "--sim", sim, ...more], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const places = await untilReady(child);
  const url = places.get("dashboard");
  const natsUrl = places.get("nats");
  const adminUrl = places.get("admin");
  if (url === undefined || natsUrl === undefined || adminUrl === undefined) throw new Error(`feedd did not say where to look, only ${JSON.stringify([...places])}`);
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode === null && child.signalCode === null) {
      const exited = new Promise((done) => child.once("exit", done));
      child.kill(signal);
      await exited;
    }
    return child.exitCode;
  };
  return {
    url, natsUrl, adminUrl,
    kill: async () => void (await end("SIGKILL")),
    stop: () => end("SIGTERM"),
    restart: () => start(state, sim, new URL(url).host, more),
    freeze: () => void child.kill("SIGSTOP"),
    thaw: () => void child.kill("SIGCONT"),
    clean: () => rm(state, { recursive: true, force: true, maxRetries: 3 }),
  };
}

/** Reads the lines "name  value" that feedd prints, up to "ready". */
function untilReady(child: ChildProcess): Promise<Map<string, string>> {
  const places = new Map<string, string>();
  let complaints = "";
  child.stderr!.setEncoding("utf8").on("data", (text: string) => (complaints = (complaints + text).slice(-4000)));
  return new Promise((done, fail) => {
    createInterface({ input: child.stdout! }).on("line", (line) => {
      const [name = "", value = ""] = line.trim().split(/\s+/);
      if (name === "ready") done(places);
      else places.set(name, value);
    });
    child.once("error", fail);
    child.once("exit", (status) => fail(new Error(`feedd ended with status ${status} before it was ready:\n${complaints}`)));
  });
}

/** Publishes a simulated market to a NATS server until it is told to stop. */
export function startPublisher(natsUrl: string): { stop(): Promise<void> } {
  const child = spawn(binary(), ["sim", "--nats-url", natsUrl], { stdio: "ignore" });
  const exited = new Promise<void>((done) => child.once("exit", () => done()));
  return {
    async stop() {
      child.kill("SIGTERM");
      await exited;
    },
  };
}

/** Runs a command of the binary to its end and returns what it printed; a status other than 0 is an error that tells it. */
export function run(...args: string[]): Promise<string> {
  const child = spawn(binary(), args, { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text: string) => (output = (output + text).slice(-4000)));
  return new Promise((done, fail) => {
    child.once("error", fail);
    child.once("exit", (status) => (status === 0 ? done(output) : fail(new Error(`feedd ${args.join(" ")}: status ${status}\n${output}`))));
  });
}
