// The page of a server that lets in those with a token alone.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launch, newPage, waitForFeed, waitForOther } from "./browser.ts";
import { run, startServer, type Server } from "./server.ts";

const FAKE = "test:FAKE";
let browser: Browser;
let server: Server;
let folder: string;
let token: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "feedd-key-"));
  const key = join(folder, "dev.key");
  token = (await run("token", "--key", key, "--user", "ada", "--may", "*")).trim();
  [browser, server] = await Promise.all([launch(), startServer("on", "--auth-dev-key", key)]);
});
afterAll(async () => {
  await browser?.close();
  await server?.stop();
  await server?.clean();
  await rm(folder, { recursive: true, force: true });
});

test("asks for a token, says what was wrong with one, and goes on with the right one", async () => {
  const { page } = await newPage(browser);
  await page.goto(`${server.url}?symbols=${FAKE}`);
  const dialog = page.getByRole("dialog", { name: "Who are you?" });
  await dialog.waitFor();
  await page.keyboard.type("not.a.token");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.getElementById("sign-in-why")!.textContent !== "");
  await dialog.waitFor();
  await page.keyboard.type(token);
  await page.keyboard.press("Enter");
  await waitForFeed(page, "live");
  await waitForOther(page, FAKE, "bid", "");
  expect(await dialog.isVisible()).toBe(false);
  await page.reload(); // the tab knows it
  await waitForFeed(page, "live");
  await page.context().close();
});

test("takes a link's token out of the address, and looks symbols up with it", async () => {
  const { page, complaints } = await newPage(browser);
  await page.goto(`${server.url}#token=${token}`);
  await waitForFeed(page, "live");
  await page.waitForFunction(() => window.feeddDashboard.snapshot().rows.some((r) => r.bid !== ""));
  expect(page.url()).toBe(server.url);
  await page.keyboard.press("/");
  await page.keyboard.type("FAKE");
  await page.waitForFunction(() => document.querySelector("#search-list .name")?.textContent === "testFAKE");
  expect(complaints).toEqual([]);
  await page.context().close();
});
