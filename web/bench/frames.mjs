// How smoothly the dashboard moves with a hundred rows: frames a second and what a frame costs, in Chromium against a
// feedd of its own with a simulated market. Prints JSON; the figures that are kept are in benchmarks/results/dashboard.json.
//
//     FEEDD_BIN=bin/feedd node web/bench/frames.mjs [SECONDS]
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const SECONDS = Number(process.argv[2] ?? 20);
const ROWS = 100;
const binary = process.env["FEEDD_BIN"];
if (!binary) throw new Error("FEEDD_BIN: want the path of a feedd binary, such as one from go build -o bin/feedd ./cmd/feedd");

/** A feedd with more instruments than rows. */
async function serve() {
  const state = await mkdtemp(join(os.tmpdir(), "feedd-frames-"));
  const child = spawn(binary, ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data-dir", state, "--sim", "on", "--sim-instruments", "110", "--sim-rate", "4000"], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = new Promise((done) => child.once("exit", done));
  const url = await new Promise((done, fail) => {
    let dashboard = "";
    createInterface({ input: child.stdout }).on("line", (line) => {
      const [name, value] = line.trim().split(/\s+/);
      if (name === "dashboard") dashboard = value;
      if (name === "ready") done(dashboard);
    });
    exited.then((status) => fail(new Error(`feedd ended with status ${status}`)));
  });
  return { url, stop: async () => { child.kill("SIGTERM"); await exited; await rm(state, { recursive: true, force: true }); } };
}

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
const round = (n, digits = 2) => Number(n.toFixed(digits));

/** Runs in the page: the times of all frames in so many seconds, in milliseconds. */
function gaps(seconds) {
  return new Promise((done) => {
    const out = [];
    let last = performance.now();
    const until = last + seconds * 1000;
    const frame = (now) => {
      out.push(now - last);
      last = now;
      if (now < until) requestAnimationFrame(frame);
      else done(out);
    };
    requestAnimationFrame(frame);
  });
}

async function measure(browser, url, cadenceMs) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, colorScheme: "dark" });
  const page = await context.newPage();
  const listing = await (await fetch(new URL(`v1/instruments?limit=${ROWS}`, url))).json();
  await page.goto(`${url}?symbols=${listing.instruments.map((i) => encodeURIComponent(i.symbol)).join(",")}&rate=${cadenceMs}`);
  await page.waitForFunction((rows) => window.feeddDashboard.snapshot().rows.filter((r) => r.bid !== "").length >= rows, ROWS - 2, { timeout: 60_000 });
  await page.waitForTimeout(5000);
  const cdp = await context.newCDPSession(page);
  await cdp.send("Performance.enable");
  const metrics = async () => Object.fromEntries((await cdp.send("Performance.getMetrics")).metrics.map((m) => [m.name, m.value]));
  const read = () => page.evaluate(() => [...document.querySelectorAll("#rows tr")].length);
  const rows = await read();
  const before = await metrics();
  const times = await page.evaluate(gaps, SECONDS);
  const after = await metrics();
  const updates = await page.evaluate(() => document.getElementById("updates").textContent);
  const ticks = await page.evaluate(() => document.getElementById("ticks").textContent);
  await context.close();
  const sorted = [...times].sort((a, b) => a - b);
  const perFrame = (name) => round((1000 * (after[name] - before[name])) / times.length);
  return {
    cadenceMs, rows, ticksPerSecond: ticks, rowsPerSecond: updates, seconds: SECONDS,
    framesPerSecond: round(times.length / SECONDS, 1),
    frameMs: { p50: round(quantile(sorted, 0.5)), p99: round(quantile(sorted, 0.99)), max: round(sorted.at(-1)) },
    framesOver20Ms: times.filter((ms) => ms > 20).length,
    mainThreadMsPerFrame: { task: perFrame("TaskDuration"), script: perFrame("ScriptDuration"), style: perFrame("RecalcStyleDuration"), layout: perFrame("LayoutDuration") },
  };
}

const server = await serve();
const browser = await chromium.launch({ executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium", headless: true, args: ["--no-sandbox", "--disable-gpu"] });
try {
  const runs = [];
  for (const cadenceMs of [0, 100, 250]) runs.push(await measure(browser, server.url, cadenceMs));
  console.log(JSON.stringify({
    what: `the dashboard with ${ROWS} rows, 1440 × 900, drawn by software, beside its feedd and the simulated market`,
    processor: os.cpus()[0]?.model, cores: os.cpus().length, chromium: browser.version(), runs,
  }, null, 2));
} finally {
  await browser.close();
  await server.stop();
}
