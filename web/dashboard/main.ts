// The dashboard: a watchlist, the focused symbol's chart, book and trades, and how well the feed does. Everything that
// changes draws itself in one flush a frame; see frame.ts.
import { createClient, watchHealth, type TradeEvent } from "@feedd/client";
import { fallback } from "@feedd/client/fallback";
import { formatAddress, MAX_ROWS, parseAddress } from "./address.ts";
import { announce, notice } from "../ui/announce.ts";
import { loadLook, saveLook } from "../ui/look.ts";
import { Splitter } from "../ui/splitter.ts";
import { ChartPanel } from "./chart-panel.ts";
import { Connection } from "./connection.ts";
import { Depth } from "./depth.ts";
import { listInstruments } from "./directory.ts";
import { Dock } from "./dock.ts";
import { Flow } from "./flow.ts";
import { byId } from "../ui/dom.ts";
import { Flashes } from "../ui/flash.ts";
import { FocusPanel } from "./focus.ts";
import { Frame } from "../ui/frame.ts";
import { Latency } from "./latency.ts";
import { Meters } from "./meters.ts";
import { PageTabs } from "./page-tabs.ts";
import { firstPage, LIST_SHARE, loadPrefs, savePrefs } from "./prefs.ts";
import { RatePicker } from "./rate.ts";
import type { Row, RowText } from "./row.ts";
import { Search } from "./search.ts";
import { Settings } from "./settings.ts";
import { SignIn, takeToken } from "./sign-in.ts";
import { Sources } from "./sources.ts";
import { Traffic } from "./traffic.ts";
import { Watchlist } from "./watchlist.ts";

/** Rows of a page that nobody made. */
const FIRST_ROWS = 25;
const FLASH_MS = 320;
const MOST_FLASHES = 160;
/** Ages, meters and countdowns are drawn this often. */
const SLOW_MS = 250;
const RETRY_LIST_MS = 2_000;
const SETTLE_MS = 1_000;

/** What the browser tests see of the page. */
export interface Dashboard {
  snapshot(): {
    rows: RowText[];
    tape: string[];
    book: ReturnType<Depth["text"]>;
    chart: ReturnType<ChartPanel["text"]>;
    statistics: ReturnType<FocusPanel["statistics"]["text"]>;
    focused: string | undefined;
    feed: string;
    grant: string;
    pages: string[];
  };
}

declare global {
  interface Window {
    feeddDashboard: Dashboard;
  }
}

const storage = () => localStorage;
const prefs = loadPrefs(storage);
const look = loadLook(storage);
const address = parseAddress(location.search);
/** Whether the rows are a link's: changes then go into the link, not into what the page remembers. */
let linked = address.symbols !== undefined;

const url = new URL("v1/ws", document.baseURI);
url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
const token = takeToken(() => sessionStorage);
const feed = createClient({ url: url.href, client: "feedd dashboard", transports: fallback(), ...(token !== undefined && { getToken: () => token }) });

const frame = new Frame();
const flashes = new Flashes(FLASH_MS, MOST_FLASHES);
const latency = new Latency();
const rate = new RatePicker(address.cadenceMs ?? prefs.cadenceMs, rateChanged);
const traffic = new Traffic(feed, rate.cadenceMs);
const flow = new Flow(feed, traffic, latency, frame, rate.cadenceMs, prefs.ceiling, (ceiling) => {
  prefs.ceiling = ceiling;
  savePrefs(storage, prefs);
  feed.setCeiling(ceiling);
  countAnew();
  flow.choseCeiling(performance.now());
});
feed.setCeiling(prefs.ceiling);
const chart = new ChartPanel(feed, frame, rate.cadenceMs, prefs.intervalS, (seconds) => {
  prefs.intervalS = seconds;
  savePrefs(storage, prefs);
});
const depth = new Depth(feed, frame, flashes, rate.cadenceMs);
const focusPanel = new FocusPanel(feed, frame, flashes, chart, depth);
const watchlist = new Watchlist(feed, byId("rows", HTMLTableSectionElement), frame, flashes, latency, {
  listChanged,
  focusChanged: (row: Row | undefined) => focusPanel.show(row),
  focusDrawn: (row: Row) => focusPanel.draw(row, performance.now()),
  focusTraded: (row: Row, events: readonly TradeEvent[]) => focusPanel.traded(row, events),
  rowOpened: () => dock.narrow.matches && dock.show("chart"),
}, rate.cadenceMs);
const dock = new Dock((dock) => focusPanel.see({ chart: dock.sees("chart"), book: dock.sees("book") }));
const connection = new Connection(feed, url.host, () => setPaused(false));
const meters = new Meters(traffic, latency);
new Sources(feed);
new Splitter(byId("split", HTMLElement), byId("columns", HTMLElement), LIST_SHARE, prefs.listShare, (share) => {
  prefs.listShare = share;
  savePrefs(storage, prefs);
});
const pages = new PageTabs(prefs.pages, prefs.shown, address.symbols, {
  pageChosen: showPage,
  pagesChanged: () => void savePrefs(storage, prefs),
  pageMade: () => search.open(),
});
const search = new Search((symbol) => watchlist.has(symbol), addSymbol, token);
// A token belongs to a connection from its start, and so to a page from its own.
const signIn = new SignIn(() => sessionStorage, () => location.reload());
const settings = new Settings(look, {
  lookChanged() {
    restyle();
    saveLook(storage, look);
  },
  link: () => new URL(formatAddress(watchlist.symbols(), rate.cadenceMs), document.baseURI).href,
  forgetPages,
});
let paused = false;
let slowDue = false;
/** When what a connection begins with, such as past trades, has come: counting it would look like a burst. */
let settledAtMs = Infinity;

frame.add((nowMs) => {
  if (!slowDue) return;
  slowDue = false;
  watchlist.drawAges();
  focusPanel.drawAge(feed.serverNow());
  connection.draw();
  if (nowMs >= settledAtMs) countAnew();
  traffic.read(nowMs);
  meters.draw();
  flow.draw(nowMs);
  rate.drawGrant(watchlist.grant());
});

// Flashes go out in the same flush as everything else, after what set new ones.
frame.add((nowMs) => {
  const dueMs = flashes.expire(nowMs);
  if (dueMs !== undefined) frame.requestIn(Math.max(16, dueMs - nowMs));
});

function rateChanged(cadenceMs: number): void {
  watchlist.setRate(cadenceMs);
  chart.setRate(cadenceMs);
  depth.setRate(cadenceMs);
  countAnew();
  flow.choseRate(cadenceMs, performance.now());
  if (!linked) prefs.cadenceMs = cadenceMs;
  remember();
}

/** What was counted belongs to a connection, a rate or a ceiling that is gone. */
function countAnew(): void {
  settledAtMs = Infinity;
  latency.clear();
  traffic.chose(rate.cadenceMs, performance.now());
}

/** The viewer changed the rows: they are kept from now on. Rows that nobody changed stay the first instruments. */
function listChanged(): void {
  showEmpty("");
  const symbols = watchlist.symbols();
  if (linked) pages.link = symbols;
  else prefs.pages[prefs.shown]!.symbols = symbols;
  remember();
}

/** Keeps rate and rows: in the link where the page came from one, else in the browser. */
function remember(): void {
  if (linked) history.replaceState(null, "", formatAddress(watchlist.symbols(), rate.cadenceMs));
  else savePrefs(storage, prefs);
}

function addSymbol(symbol: string): void {
  if (watchlist.add([symbol]) > 0) notice(`The page is full: ${MAX_ROWS} rows at most`);
  watchlist.select(symbol);
  listChanged();
}

/** Shows another page's rows; those of the page before are unsubscribed. */
function showPage(at: number): void {
  if (linked) history.replaceState(null, "", location.pathname);
  linked = false;
  prefs.shown = at;
  savePrefs(storage, prefs);
  watchlist.clear();
  fill(prefs.pages[at]!.symbols);
}

function forgetPages(): void {
  prefs.pages.splice(0, Infinity, firstPage());
  pages.reset();
  showPage(0);
}

function fill(symbols: readonly string[] | null): void {
  if (symbols === null) return void firstInstruments();
  watchlist.add(symbols);
  showEmpty("");
}

/** Fills a page that nobody made: the first instruments there are, asked for until there are some. */
async function firstInstruments(): Promise<void> {
  const shown = prefs.shown;
  const wanted = () => watchlist.size === 0 && !linked && prefs.shown === shown;
  let again = "";
  try {
    const { instruments } = await listInstruments("", FIRST_ROWS, token);
    if (!wanted()) return;
    watchlist.add(instruments.map((listed) => listed.symbol));
    if (watchlist.size === 0) again = "No instruments yet: nothing is being published. This page looks again every few seconds.";
  } catch (error) {
    again = `Cannot list the instruments: ${error instanceof Error ? error.message : String(error)}. This page tries again every few seconds.`;
  }
  if (!wanted() && again !== "") return;
  showEmpty(again);
  if (again !== "") setTimeout(() => void (wanted() && firstInstruments()), RETRY_LIST_MS);
}

function showEmpty(text: string): void {
  const empty = byId("empty", HTMLElement);
  empty.textContent = text || "No instruments on this page. Press / to add one, or a pattern such as sim:* for many.";
  empty.hidden = watchlist.size > 0;
}

function setPaused(next: boolean): void {
  paused = next;
  byId("pause", HTMLButtonElement).setAttribute("aria-pressed", String(paused));
  connection.paused = paused;
  showVisibility();
}

function setFlow(open: boolean): void {
  flow.open = open;
  byId("flow-toggle", HTMLButtonElement).setAttribute("aria-pressed", String(open));
}

function toggleFlow(): void {
  prefs.flow = !prefs.flow;
  setFlow(prefs.flow);
  savePrefs(storage, prefs);
}

function showVisibility(): void {
  feed.setVisibility(paused ? "paused" : document.hidden ? "hidden" : "shown");
}

function restyle(): void {
  focusPanel.restyle();
  flow.restyle();
  frame.request();
}

function readRow(): void {
  const row = watchlist.focused;
  announce(row === undefined ? "No row" : row.said());
}

/** What a key does where no field and no dialog takes it. */
const KEYS: Record<string, () => void> = {
  "/": () => search.open(),
  "?": () => settings.open(),
  "[": () => rate.step(-1),
  "]": () => rate.step(1),
  "{": () => flow.stepCeiling(-1),
  "}": () => flow.stepCeiling(1),
  ",": () => chart.step(-1),
  ".": () => chart.step(1),
  "-": () => depth.step(-1),
  "+": () => depth.step(1),
  "=": () => depth.step(1),
  f: toggleFlow,
  r: readRow,
};
for (let n = 1; n <= 9; n++) KEYS[String(n)] = () => pages.choose(n - 1);

function pressed(event: KeyboardEvent): void {
  const { target, key } = event;
  if (document.querySelector("dialog[open]") !== null || target instanceof HTMLSelectElement) return;
  if (key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey)) search.open();
  else if (event.ctrlKey || event.metaKey || event.altKey) return;
  else if (KEYS[key] !== undefined) KEYS[key]!();
  else if (key === " " && !(target instanceof HTMLButtonElement || target instanceof HTMLInputElement)) setPaused(!paused);
  else return;
  event.preventDefault();
}

document.addEventListener("keydown", pressed);
document.addEventListener("visibilitychange", showVisibility);
byId("add", HTMLButtonElement).addEventListener("click", () => search.open());
byId("settings", HTMLButtonElement).addEventListener("click", () => settings.open());
byId("pause", HTMLButtonElement).addEventListener("click", () => setPaused(!paused));
byId("flow-toggle", HTMLButtonElement).addEventListener("click", toggleFlow);
matchMedia("(prefers-color-scheme: light)").addEventListener("change", restyle);
feed.on("state", ({ state }) => {
  if (state !== "live") return;
  traffic.chose(rate.cadenceMs, performance.now());
  settledAtMs = performance.now() + SETTLE_MS;
});
// What was measured of a market that does not move any more says nothing of now.
watchHealth(feed, ({ state, affected, instruments }) => {
  const moves = state === "live" || state === "syncing" || (state === "suspect" && affected < instruments);
  if (!moves) latency.clear();
});
feed.on("pace", ({ steps }) => rate.paced(steps));
feed.on("error", (error) => {
  // A refused symbol says so in its own row, and a connection that will be tried again in the banner.
  const told = error.code === "unknown-symbol" || error.code === "no-match" || ((error.code === "transport" || error.code === "unreachable") && error.retrying);
  if (error.code === "unauthenticated") signIn.open(token === undefined ? "" : error.text);
  else if (!told) notice(error.message);
});

for (const problem of address.problems) notice(problem);
setFlow(prefs.flow);
fill(address.symbols ?? prefs.pages[prefs.shown]!.symbols);
showVisibility();
feed.connect();

setInterval(() => {
  slowDue = true;
  if (document.hidden) frame.flush(performance.now());
  else frame.request();
}, SLOW_MS);

window.feeddDashboard = {
  snapshot: () => ({
    rows: watchlist.text(),
    tape: focusPanel.tape.text(),
    book: depth.text(),
    chart: chart.text(),
    statistics: focusPanel.statistics.text(),
    focused: watchlist.focused?.symbol,
    feed: document.body.dataset["feed"] ?? "",
    grant: byId("grant", HTMLOutputElement).value,
    pages: pages.names(),
  }),
};
