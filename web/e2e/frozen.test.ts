// The page on a node whose NATS server is stopped in its tracks: the connection to the page is well all the while.
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, beforeEach, afterEach, expect, test } from "vitest";
import { launch, newPage, row, waitForFeed, waitForOther, type Watched } from "./browser.ts";
import { startPublisher, startServer, type Server } from "./server.ts";

const FAKE = "test:FAKE";
let browser: Browser;
/** A NATS server, in a process that does nothing else that counts here. */
let nats: Server;
let node: Server;
let publisher: ReturnType<typeof startPublisher>;
let watched: Watched;

beforeAll(async () => {
  [browser, nats] = await Promise.all([launch(), startServer("off")]);
  publisher = startPublisher(nats.natsUrl);
  node = await startServer("off", "--nats-url", nats.natsUrl);
});
afterAll(async () => {
  nats?.thaw();
  await browser?.close();
  await publisher?.stop();
  for (const server of [node, nats]) {
    await server?.stop();
    await server?.clean();
  }
});
beforeEach(async () => void (watched = await newPage(browser)));
afterEach(async () => watched.page.context().close());

test("is a node whose ops page says so, beside the policy of nodes that have none of their own", async () => {
  const { page } = watched;
  const other = await startServer("off", "--nats-url", nats.natsUrl);
  try {
    await page.goto(`${node.adminUrl}ops`);
    await page.locator("#node-state", { hasText: /^Serving$/ }).waitFor();
    await page.waitForFunction(() => document.querySelectorAll("#nodes tbody tr").length === 3); // that beside the NATS server is one too
    await page.waitForFunction(() => [...document.querySelectorAll("#nodes tbody tr")].every((row) => row.children[9]!.textContent === "built-in"));
    expect(await page.locator("#policy-chip").textContent()).toBe("policy built-in");
    nats.freeze();
    await page.locator("#node-state", { hasText: "NATS is away" }).waitFor();
    await page.reload(); // what the node knows by itself waits for nothing
    await page.locator("#policy-version", { hasText: "built-in" }).waitFor();
    expect(await page.locator("#nodes tbody").innerText()).toMatch(/Asking what is heard of other nodes|this one/);
    nats.thaw();
    await page.locator("#node-state", { hasText: /^Serving$/ }).waitFor();
  } finally {
    nats.thaw();
    await other.stop();
    await other.clean();
  }
});

test("says within moments that the feed is suspect, why and since when, and that it is live again", async () => {
  const { page } = watched;
  await page.goto(`${node.url}?symbols=${FAKE},sim:BTC-USD`);
  await waitForOther(page, FAKE, "bid", "");
  await waitForFeed(page, "live");
  expect(await page.locator("#banner").isVisible()).toBe(false);
  const heard = await page.evaluateHandle(() => {
    const said: string[] = [];
    new MutationObserver(() => said.push(document.getElementById("announce")!.textContent!)).observe(document.getElementById("announce")!, { childList: true });
    return said;
  });
  const tone = () => page.locator("#pill-dot").evaluate((dot) => [dot.dataset["tone"], getComputedStyle(dot).clipPath !== "none"]);
  expect(await tone()).toEqual(["good", false]);

  nats.freeze();
  try {
    // A source that is not heard for 3 s, or NATS, which answers no ping: whichever is noticed first.
    await page.locator("#banner", { hasText: "feedd lost its NATS server" }).waitFor();
    await waitForFeed(page, "suspect");
    expect(await page.locator("#pill-text").textContent()).toBe("Feed suspect");
    expect(await tone()).toEqual(["warn", true]); // a shape of its own as well
    expect(await page.locator("#banner").innerText()).toMatch(/^Feed suspect since \d\d:\d\d:\d\d( or before)?\.\s.*all prices may be old\. \(feedd lost its NATS server\)\sFor (at least )?\d+(\.\d)?s now\.$/);
    expect((await row(page, FAKE)).quality).toBe("suspect");
    await page.waitForFunction(() => document.title.startsWith("⚠ "));
    await page.locator("#pill").hover();
    expect(await page.locator("#pill-more").innerText()).toMatch(/Connection\s+Live\s+Feed\s+2 of 2 suspect, feedd lost its NATS server/);
    // It stays so for as long as it is so.
    await page.waitForFunction(() => Number.parseFloat(/([\d.]+)s now/.exec(document.getElementById("banner-when")!.textContent!)?.[1] ?? "0") > 3);
    expect(await page.evaluate(() => document.body.dataset["feed"])).toBe("suspect");
    // Whoever comes now is told so too.
    const late = await newPage(browser);
    await late.page.goto(`${node.url}?symbols=${FAKE}`);
    await waitForFeed(late.page, "suspect");
    expect(await late.page.locator("#banner").innerText()).toMatch(/^Feed suspect since [\d:]+ or before\..*For at least [\d.]+s now\.$/s);
    await late.page.context().close();
  } finally {
    nats.thaw();
  }
  const { bid } = await row(page, FAKE);
  await waitForFeed(page, "live");
  await waitForOther(page, FAKE, "bid", bid);
  // On the way back there may be more to tell, such as ticks that are fetched.
  await expect.poll(async () => (await heard.jsonValue()).at(-1)).toBe("Live");
  await page.locator("#banner").waitFor({ state: "hidden" });
  await page.waitForFunction(() => !document.title.includes("⚠"));
  const said = await heard.jsonValue();
  expect(said[0]).toMatch(/^(Feed|Partly) suspect: (feedd lost its NATS server|no heartbeat for 3000 ms)$/);
  expect(said.some((text) => text.startsWith("Feed suspect: "))).toBe(true);
  expect(await page.locator("#announce").getAttribute("aria-live")).toBe("polite");
  expect(watched.complaints).toEqual([]);
});
