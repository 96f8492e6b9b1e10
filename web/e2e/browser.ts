import { existsSync } from "node:fs";
import { chromium, type Browser, type BrowserContextOptions, type Page } from "playwright-core";
import type { Dashboard } from "../dashboard/main.ts";

const CHROMIUM = process.env["CHROMIUM"] ?? "/usr/bin/chromium";

export async function launch(): Promise<Browser> {
  if (!existsSync(CHROMIUM)) throw new Error(`no browser at ${CHROMIUM}: install Debian's chromium, or name another in CHROMIUM`);
  return chromium.launch({
    executablePath: CHROMIUM,
    headless: true,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
}

/** A page in a fresh profile, and what it complained of. */
export interface Watched {
  page: Page;
  complaints: string[];
}

export async function newPage(browser: Browser, options: BrowserContextOptions = {}): Promise<Watched> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, colorScheme: "dark", ...options });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  return { page, complaints };
}

export type Snapshot = ReturnType<Dashboard["snapshot"]>;

export function snapshot(page: Page): Promise<Snapshot> {
  return page.evaluate(() => window.feeddDashboard.snapshot());
}

export async function row(page: Page, symbol: string): Promise<Snapshot["rows"][number]> {
  const found = (await snapshot(page)).rows.find((r) => r.symbol === symbol);
  if (found === undefined) throw new Error(`the page has no row for ${symbol}`);
  return found;
}

/** Moves the rate's slider to a stop by the words of its marks. */
export async function chooseRate(page: Page, said: string): Promise<void> {
  for (let at = 0; at <= Number(await page.locator("#rate").getAttribute("max")); at++) {
    await page.locator("#rate").fill(String(at));
    if ((await page.locator("#rate").getAttribute("aria-valuetext")) === said) return;
  }
  throw new Error(`the rate has no stop ${said}`);
}

/** Waits until the connection pill says so; see Connection for the words. */
export async function waitForFeed(page: Page, state: string): Promise<void> {
  await page.waitForFunction((want) => document.body.dataset["feed"] === want, state);
}

/** Waits until a column of a row shows something else than `old`, and returns it. */
export async function waitForOther(page: Page, symbol: string, column: keyof Snapshot["rows"][number], old: string): Promise<string> {
  const handle = await page.waitForFunction(([symbol, column, old]) => {
    const text = window.feeddDashboard.snapshot().rows.find((r) => r.symbol === symbol)?.[column];
    return text !== undefined && text !== "" && text !== old ? text : false;
  }, [symbol, column, old] as const);
  return handle.jsonValue() as Promise<string>;
}
