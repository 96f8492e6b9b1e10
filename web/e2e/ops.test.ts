// The ops page against a real node: what it shows is so, and what is pressed happens to clients that are connected.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import WebSocket from "ws";
import { createClient, type Client, type QuoteStore } from "@feedd/client";
import { launch, newPage } from "./browser.ts";
import { startServer, type Server } from "./server.ts";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let browser: Browser;
let server: Server;
let page: Page;
let complaints: string[];
let client: Client;
let quotes: QuoteStore;

beforeAll(async () => {
  browser = await launch();
  server = await startServer("on");
});
afterAll(async () => {
  await browser.close();
  await server.stop();
  await server.clean();
});
beforeEach(async () => {
  client = createClient({ url: `${server.url.replace("http", "ws")}v1/ws`, WebSocket: WebSocket as never, client: "ops test", reconnect: { baseMs: 50 } });
  quotes = client.quotes(["sim:BTC-USD", "sim:ETH-USD"], { cadenceMs: 100 });
  await quotes.ready();
  ({ page, complaints } = await newPage(browser));
  await page.goto(`${server.adminUrl}ops`);
  await page.getByRole("row", { name: /ops test/ }).waitFor();
});
afterEach(async () => {
  client.close();
  expect(complaints).toEqual([]);
  await page.context().close();
});

async function type(policy: string): Promise<void> {
  await page.getByLabel("Policy, as YAML").fill(policy);
}

async function apply(policy: string, reason: string): Promise<void> {
  await type(policy);
  await page.getByLabel("Why").first().fill(reason);
  await page.getByRole("button", { name: "Apply" }).click();
  await page.getByText(`“${reason}”`).first().waitFor();
}

const granted = (cadenceMs: number) =>
  new Promise<void>((done) => {
    const look = () => quotes.grant?.cadenceMs === cadenceMs && done();
    quotes.onGrant(look);
    look();
  });

test("it shows the node, its sessions and its lanes", async () => {
  await page.getByText("Serving").waitFor();
  const lane = page.locator('#lanes tr[data-key="100ms"]');
  expect(await lane.locator("td").nth(1).textContent()).toBe("1");
  await page.locator('#sources tr[data-key="sim"]').getByText("ok").waitFor();
  await page.getByRole("heading", { name: "Traffic" }).waitFor();
});

test("what NATS does not answer is said, and the node itself is shown all the same", async () => {
  const away = "the policy cannot be read or written now: NATS, or its JetStream, is away";
  await page.route("**/v1/policy/history*", (route) => route.fulfill({ status: 503, json: { error: away } }));
  const banner = page.locator("#banner");
  await banner.getByText(away).waitFor();
  expect(await banner.innerText()).toContain("What is in force stays so");
  expect(await page.locator("#node-state").innerText()).toBe("Serving");
  await page.locator("#sources").getByText("sim", { exact: true }).waitFor();
  await page.unroute("**/v1/policy/history*");
  await banner.waitFor({ state: "hidden" });
  complaints = complaints.filter((text) => !text.includes("503")); // which the browser tells of by itself
});

test("a node alone is a quiet row, marked, whose columns can be put in order with the keyboard", async () => {
  const row = page.locator("#nodes tbody tr");
  await row.getByText("this one").waitFor();
  expect(await row.count()).toBe(1);
  await row.getByText("up", { exact: true }).waitFor();
  expect(await page.locator("#nodes-line").textContent()).toContain("this one alone");
  expect(await page.locator("#nodes-mixed").isVisible()).toBe(false);
  await page.getByRole("button", { name: "memory" }).focus();
  await page.keyboard.press("Enter");
  expect(await page.getByRole("columnheader", { name: "memory" }).getAttribute("aria-sort")).toBe("ascending");
});

test("a policy is judged as it is typed, with line and reason, and what it would do stands beside it", async () => {
  await type("tiers:\n  default:\n    fastest: 0.5ms\n    dept: 10\n");
  await page.getByText("2 mistakes").waitFor();
  await page.getByRole("button", { name: "line 4" }).click();
  expect(await page.evaluate(() => getSelection()?.toString())).toContain("dept: 10");
  expect(await page.getByRole("button", { name: "Apply" }).isDisabled()).toBe(true);
  await type("tiers:\n  default:\n    fastest: 1s\n");
  await page.getByText("2 subscriptions of 1 session").waitFor();
  expect(await page.locator(".moves").textContent()).toContain("100ms → 1s");
});

test("what is applied reaches those who are connected, and is rolled back from the history", async () => {
  const session = client.session;
  await apply("# everything as built in\ntiers:\n  default: {}\n", "as it was");
  await apply("tiers:\n  default:\n    fastest: 1s\n", "too much traffic");
  await granted(1000);
  expect(quotes.grant?.reason).toBe("policy");
  await page.locator("#history li", { hasText: "as it was" }).getByRole("button").click();
  const dialog = page.getByRole("dialog");
  expect(await dialog.locator("pre").textContent()).toMatch(/−\s+default:[^]*−\s+fastest: 1s[^]*\+\s+default: \{\}/);
  await dialog.getByLabel("Why").fill("quiet again");
  await dialog.getByRole("button", { name: "Roll back" }).click();
  await granted(100);
  expect(client.session).toBe(session); // nobody reconnected
  await page.locator("#audit").getByText("quiet again").waitFor();
});

test("an instrument is stopped and released", async () => {
  const form = page.locator("#stop");
  await form.getByLabel("Symbols").fill("sim:ETH*");
  await form.getByLabel("Why").fill("prices of another instrument");
  await form.getByRole("button", { name: "Stop" }).click();
  const release = page.getByRole("button", { name: "release" });
  await release.waitFor();
  await release.click();
  await page.getByRole("dialog").getByLabel("Why").fill("venue says it is mended");
  await page.getByRole("dialog").getByRole("button", { name: "Release" }).click();
  await release.waitFor({ state: "detached" });
});

test("a session is cut, and told why", async () => {
  const ended = new Promise<number | undefined>((done) => client.on("state", (e) => e.code !== undefined && done(e.code)));
  await page.getByRole("button", { name: `cut session ${client.session}` }).click();
  await page.getByRole("dialog").getByLabel("Why").fill("misbehaves");
  await page.getByRole("dialog").getByRole("button", { name: "Cut" }).click();
  expect(await ended).toBe(4503);
});

test.each(["dark", "light"] as const)("axe-core finds nothing wrong with it in the %s theme", async (colorScheme) => {
  await page.emulateMedia({ colorScheme });
  await type("tiers:\n  default:\n    fastest: 1s\n    dept: 10\n");
  await page.getByText("One mistake").waitFor();
  await page.evaluate(axe);
  const faults = await page.evaluate(async () => {
    const { axe } = window as unknown as { axe: { run(what: Document, options: object): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> } };
    return (await axe.run(document, { resultTypes: ["violations"] })).violations.map(({ id, nodes }) => `${id}: ${nodes.length} × ${nodes[0]!.html.slice(0, 160)}`);
  });
  expect(faults).toEqual([]);
});

test("a node that knows tokens asks for one, and a viewer only looks", async () => {
  const dir = await mkdtemp(join(tmpdir(), "feedd-ops-"));
  await writeFile(join(dir, "tokens"), "maria viewer a-token-that-is-long-enough-for-anyone\n", { mode: 0o600 });
  const guarded = await startServer("off", "--admin-tokens", join(dir, "tokens"));
  const { page, complaints } = await newPage(browser);
  try {
    await page.goto(`${guarded.adminUrl}ops`);
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Token").fill("wrong");
    await dialog.getByRole("button", { name: "Sign in" }).click();
    await dialog.locator(".problem").waitFor();
    await dialog.getByLabel("Token").fill("a-token-that-is-long-enough-for-anyone");
    await dialog.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("maria, viewer").waitFor();
    await page.getByText("Serving").waitFor();
    expect(await page.locator("#apply").isVisible()).toBe(false);
    expect(await page.getByRole("button", { name: "Drain this node" }).isVisible()).toBe(false);
    expect(complaints.filter((text) => !text.includes("401"))).toEqual([]);
  } finally {
    await page.context().close();
    await guarded.stop();
    await guarded.clean();
    await rm(dir, { recursive: true });
  }
});
