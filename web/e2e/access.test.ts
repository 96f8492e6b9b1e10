// The page for those who see colours otherwise, use a keyboard alone, listen, or want less motion.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { describe, expect, test } from "vitest";
import { snapshot } from "./browser.ts";
import { BTC, frames, open, page, quote } from "./fixture/stage.ts";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What axe-core finds wrong with the page as it is, each with the first element it found it at. */
async function faults(): Promise<string[]> {
  await page.evaluate(axe);
  return page.evaluate(async () => {
    const { axe } = window as unknown as { axe: { run(what: Document, options: object): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> } };
    const { violations } = await axe.run(document, { resultTypes: ["violations"] });
    return violations.map(({ id, nodes }) => `${id}: ${nodes.length} × ${nodes[0]!.html.slice(0, 160)}`);
  });
}

/** A page with something in each of its parts. */
async function fill(): Promise<void> {
  await open(`?symbols=${BTC},sim:ETH-USD,foo:BAR&rate=100`);
  await page.evaluate((symbol) => {
    const feed = window.fakeFeed;
    feed.quote(symbol, { bid: 6183763, bidSize: 150000, ask: 6183764, askSize: 25 });
    feed.trade(symbol, 6183763, 5, "buy");
    feed.missed(symbol, "lost", 2, 49);
    feed.trade(symbol, 6183764, 6, "sell");
    feed.book(symbol, [[6183763, 300], [6183700, 100]], [[6183764, 50], [6183900, 150]]);
    for (let i = 0; i < 20; i++) feed.bar(symbol, 1, 1_767_225_600 + i, { open: 100 + i, high: 103 + i, low: 99, close: 101 + i, volume: 5 });
    feed.statistics(symbol, { open: 6100000, high: 6200000, low: 6050000, change: 83763, volume: 2134512345, turnover: "1298765432.12", vwap: 6111111, trades: 1284331 }, null, { mark: 6183800 });
    feed.source("sim", "ok", "");
    feed.status("sim:ETH-USD", { quality: "suspect", reason: "silent" });
  }, BTC);
  await frames();
}

describe("axe-core finds nothing wrong with", () => {
  test.each(["dark", "light"] as const)("the page in the %s theme, its dialogs, and a lost connection", async (colorScheme) => {
    await page.emulateMedia({ colorScheme });
    await fill();
    expect(await faults()).toEqual([]);
    await page.keyboard.press("/");
    await page.keyboard.type("us dollar");
    await page.waitForFunction(() => document.querySelectorAll("#search-list li").length === 4);
    expect(await faults()).toEqual([]);
    await page.keyboard.press("Escape");
    await page.keyboard.press("?");
    expect(await faults()).toEqual([]);
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Rename or remove this page" }).click();
    expect(await faults()).toEqual([]);
    await page.keyboard.press("Escape");
    await page.evaluate(() => window.fakeFeed.go("reconnecting", { code: 1006, retryInMs: 60_000 }));
    await frames();
    // Prices of a lost connection are grey on purpose, and are told so.
    expect((await faults()).filter((fault) => !fault.startsWith("color-contrast"))).toEqual([]);
  });

  test("the parts of a phone", async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    await fill();
    for (const part of ["List", "Chart", "Book", "Trades", "Flow"]) {
      await page.getByRole("navigation").getByRole("button", { name: part }).click();
      await frames();
      expect(await faults(), part).toEqual([]);
    }
  });
});

test("everything can be done with a keyboard alone, and what has it can be seen", async () => {
  await open("");
  await page.evaluate((symbol) => window.fakeFeed.book(symbol, [[6183763, 300]], [[6183764, 50]]), BTC);
  await frames();
  const focused = () => page.evaluate(() => {
    const e = document.activeElement as HTMLElement;
    const style = getComputedStyle(e);
    // The knob of a slider, whose style cannot be asked for, and the box around hidden radio buttons have the ring in place of the element.
    const ring = style.outlineStyle !== "none" || e.matches(".slider input") || (e.closest("label") !== null && getComputedStyle(e.closest("label")!).outlineStyle !== "none") || e.matches("input[type=text]");
    if (e === document.body) return { what: "", ring: true };
    return { what: e.id || e.dataset["symbol"] || e.getAttribute("name") || e.getAttribute("aria-label") || e.className || e.textContent!.trim(), ring };
  });
  const order: string[] = [];
  for (let i = 0; i < 40; i++) {
    await page.keyboard.press("Tab");
    const { what, ring } = await focused();
    if (what === "" || (order.length > 1 && what === order[0])) break; // once around
    expect(ring, what).toBe(true);
    order.push(what);
  }
  for (const stop of ["skip", "pill", "latency", "traffic", "add", "flow-toggle", "pause", "settings", "rate", "Market", "page-add", "page-edit", BTC, "split", "interval", "depth-group"]) {
    expect(order, order.join(", ")).toContain(stop);
  }
  // To the list past everything before it, through it, and to another symbol's book.
  await page.locator(".skip").focus();
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  await page.keyboard.press("ArrowDown");
  expect((await snapshot(page)).focused).toBe("sim:ETH-USD");
});

test("a row is read out on request, in words", async () => {
  await open();
  await quote(BTC, { bid: 6183763, bidSize: 150000, ask: 6183764, askSize: 25, ageMs: 100_000 });
  await page.evaluate((symbol) => window.fakeFeed.status(symbol, {}), BTC);
  await frames();
  await page.keyboard.press("r");
  expect(await page.locator("#announce").textContent()).toMatch(/^BTC-USD: last none, bid 61,837\.63, ask 61,837\.64, state ok, 100|^BTC-USD: last none, bid 61,837\.63, ask 61,837\.64, state ok, 1m old$/);
});

test("with reduced motion nothing flashes, and no part moves by itself", async () => {
  await page.emulateMedia({ reducedMotion: "reduce" });
  await open();
  const ground = () => page.locator(`tr[data-symbol="${BTC}"] td.bid`).evaluate((td) => getComputedStyle(td).backgroundColor);
  await quote(BTC, { bid: 100, ask: 200 });
  const rest = await ground();
  await page.evaluate((symbol) => window.fakeFeed.quote(symbol, { bid: 150 }), BTC);
  await page.waitForFunction((symbol) => document.querySelector(`tr[data-symbol="${symbol}"] td.bid.up`), BTC);
  expect(await ground()).toBe(rest);
  const moving = await page.evaluate(() => [...document.querySelectorAll("*")].filter((e) => {
    const { transitionDuration, animationName } = getComputedStyle(e);
    return (transitionDuration !== "0s" && transitionDuration !== "") || animationName !== "none";
  }).length);
  expect(moving).toBe(0);
});

test("up and down are told by more than colour", async () => {
  await open();
  await quote(BTC, { bid: 100, ask: 200 });
  await page.evaluate((symbol) => window.fakeFeed.quote(symbol, { bid: 150, ask: 100 }), BTC);
  await page.waitForFunction((symbol) => document.querySelector(`tr[data-symbol="${symbol}"] td.bid.up`), BTC);
  const marks = await page.locator(`tr[data-symbol="${BTC}"] :is(td.bid, td.ask)`).evaluateAll((all) => all.map((td) => getComputedStyle(td, "::before").content));
  expect(marks).toEqual(['"▲"', '"▼"']);
});
