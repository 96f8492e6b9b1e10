// The page over HTTP/2: its WebSocket shares the connection that brought the page (RFC 8441), and the server says so.
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launch, newPage, waitForFeed, waitForOther } from "./browser.ts";
import { startServer, type Server } from "./server.ts";

const FAKE = "test:FAKE";
const run = promisify(execFile);
let browser: Browser;
let dir: string;

// Go's own example makes a certificate, so that nothing needs to be installed for it.
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "feedd-e2e-tls-"));
  const { stdout } = await run("go", ["env", "GOROOT"]);
  await run("go", ["run", join(stdout.trim(), "src/crypto/tls/generate_cert.go"), "--host", "127.0.0.1", "--ecdsa-curve", "P256", "--duration", "24h"], { cwd: dir });
  browser = await launch();
}, 300_000);
afterAll(async () => {
  await browser?.close();
  await rm(dir, { recursive: true, force: true });
});

/** Open WebSockets by the version of HTTP that they began over. */
async function sockets(server: Server): Promise<Record<string, number>> {
  const text = await (await fetch(new URL("metrics", server.adminUrl))).text();
  const lines = text.matchAll(/^feedd_transport_connections\{http="([\d.]+)",transport="websocket"\} (\d+)$/gm);
  return Object.fromEntries([...lines].map(([, http, n]) => [http, Number(n)]));
}

test.each([
  { flags: ["--http2"], protocol: "h2", counted: { "1.1": 0, "2": 1 } },
  { flags: [], protocol: "http/1.1", counted: { "1.1": 1, "2": 0 } },
])("with the flags $flags the page comes over $protocol, and its WebSocket with it", async ({ flags, protocol, counted }) => {
  const server = await startServer("on", "--tls-cert", join(dir, "cert.pem"), "--tls-key", join(dir, "key.pem"), ...flags);
  try {
    const { page } = await newPage(browser, { ignoreHTTPSErrors: true });
    await page.goto(`${server.url}?symbols=${FAKE}`);
    expect(await page.evaluate(() => (performance.getEntriesByType("navigation")[0] as PerformanceNavigationTiming).nextHopProtocol)).toBe(protocol);
    await waitForFeed(page, "live");
    const bid = await waitForOther(page, FAKE, "bid", "");
    await waitForOther(page, FAKE, "bid", bid);
    await expect.poll(() => sockets(server)).toEqual(counted);
    await page.context().close();
    await expect.poll(() => sockets(server)).toEqual({ "1.1": 0, "2": 0 });
  } finally {
    await server.stop();
    await server.clean();
  }
});
