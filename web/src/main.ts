// The dashboard: a watchlist, the focused symbol's chart, book and trades, and how well the feed does. Everything that
// changes draws itself in one flush a frame; see frame.ts.
import { createClient, type TradeEvent } from "@feedd/client";
import { formatAddress, MAX_ROWS, parseAddress } from "./address.ts";
import { notice } from "./announce.ts";
import { ChartPanel } from "./chart-panel.ts";
import { Connection } from "./connection.ts";
import { Depth } from "./depth.ts";
import { listInstruments } from "./directory.ts";
import { byId } from "./dom.ts";
import { Flashes } from "./flash.ts";
import { FocusPanel } from "./focus.ts";
import { Frame } from "./frame.ts";
import { Latency } from "./latency.ts";
import { Meters } from "./meters.ts";
import { loadPrefs, savePrefs } from "./prefs.ts";
import { RatePicker } from "./rate.ts";
import type { Row, RowText } from "./row.ts";
import { Search } from "./search.ts";
import { Settings } from "./settings.ts";
import { Sources } from "./sources.ts";
import { Watchlist } from "./watchlist.ts";

/** Rows of a page whose link and memory name none. */
const FIRST_ROWS = 25;
const FLASH_MS = 320;
const MOST_FLASHES = 160;
/** Ages, meters and countdowns are drawn this often. */
const SLOW_MS = 250;
const RETRY_LIST_MS = 2_000;

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
  };
}

declare global {
  interface Window {
    feeddDashboard: Dashboard;
  }
}

const storage = () => localStorage;
const prefs = loadPrefs(storage);
const address = parseAddress(location.search);
/** Whether the list is the link's: changes then go into the link, not into what the page remembers. */
let linked = address.symbols !== undefined;

const url = new URL("v1/ws", document.baseURI);
url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
const feed = createClient({ url: url.href, client: "feedd dashboard" });

const frame = new Frame();
const flashes = new Flashes(FLASH_MS, MOST_FLASHES);
const latency = new Latency();
const rate = new RatePicker(address.cadenceMs ?? prefs.cadenceMs, rateChanged);
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
}, rate.cadenceMs);
const connection = new Connection(feed, url.host, () => setPaused(false));
const meters = new Meters(feed, latency);
new Sources(feed);
const search = new Search((symbol) => watchlist.has(symbol), addSymbol);
const settings = new Settings(prefs, {
  lookChanged() {
    focusPanel.restyle();
    frame.request();
    savePrefs(storage, prefs);
  },
  link: () => new URL(formatAddress(watchlist.symbols(), rate.cadenceMs), document.baseURI).href,
  forgetList,
});
let paused = false;
let slowDue = false;

frame.add((nowMs) => {
  if (!slowDue) return;
  slowDue = false;
  watchlist.drawAges();
  connection.draw();
  meters.draw(nowMs);
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
  latency.clear();
  if (!linked) prefs.cadenceMs = cadenceMs;
  remember();
}

/** The viewer changed the list: it is kept from now on. One that nobody changed stays the first instruments. */
function listChanged(): void {
  showEmpty("");
  if (!linked) prefs.symbols = watchlist.symbols();
  remember();
}

/** Keeps rate and list: in the link where the page came from one, else in the browser. */
function remember(): void {
  if (linked) history.replaceState(null, "", formatAddress(watchlist.symbols(), rate.cadenceMs));
  else savePrefs(storage, prefs);
}

function addSymbol(symbol: string): void {
  if (watchlist.add([symbol]) > 0) notice(`The list is full: ${MAX_ROWS} rows at most`);
  watchlist.select(symbol);
  listChanged();
}

function forgetList(): void {
  linked = false;
  prefs.symbols = [];
  savePrefs(storage, prefs);
  history.replaceState(null, "", location.pathname);
  watchlist.clear();
  void firstInstruments();
}

/** Fills a list that nobody made: the first instruments there are, asked for until there are some. */
async function firstInstruments(): Promise<void> {
  let again = "";
  try {
    const { instruments } = await listInstruments("", FIRST_ROWS);
    watchlist.add(instruments.map((listed) => listed.symbol));
    if (watchlist.size === 0) again = "No instruments yet: nothing is being published. This page looks again every few seconds.";
  } catch (error) {
    again = `Cannot list the instruments: ${error instanceof Error ? error.message : String(error)}. This page tries again every few seconds.`;
  }
  showEmpty(again);
  if (again !== "") setTimeout(() => void (watchlist.size === 0 && firstInstruments()), RETRY_LIST_MS);
}

function showEmpty(text: string): void {
  const empty = byId("empty", HTMLElement);
  empty.textContent = text || "The list is empty. Press / to add a symbol.";
  empty.hidden = watchlist.size > 0;
}

function setPaused(next: boolean): void {
  paused = next;
  byId("pause", HTMLButtonElement).setAttribute("aria-pressed", String(paused));
  connection.paused = paused;
  showVisibility();
}

function showVisibility(): void {
  feed.setVisibility(paused ? "paused" : document.hidden ? "hidden" : "shown");
}

function pressed(event: KeyboardEvent): void {
  const target = event.target as HTMLElement;
  if (document.querySelector("dialog[open]") !== null) return;
  if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey)) search.open();
  else if (event.ctrlKey || event.metaKey || event.altKey) return;
  else if (event.key === "/") search.open();
  else if (event.key === "?") settings.open();
  else if (event.key === "[") rate.step(-1);
  else if (event.key === "]") rate.step(1);
  else if (event.key === "," || event.key === ".") chart.step(event.key === "." ? 1 : -1);
  else if (event.key === "-" || event.key === "+" || event.key === "=") depth.step(event.key === "-" ? -1 : 1);
  else if (event.key === " " && !(target instanceof HTMLButtonElement || target instanceof HTMLInputElement)) setPaused(!paused);
  else return;
  event.preventDefault();
}

document.addEventListener("keydown", pressed);
document.addEventListener("visibilitychange", showVisibility);
byId("add", HTMLButtonElement).addEventListener("click", () => search.open());
byId("settings", HTMLButtonElement).addEventListener("click", () => settings.open());
byId("pause", HTMLButtonElement).addEventListener("click", () => setPaused(!paused));
matchMedia("(prefers-color-scheme: light)").addEventListener("change", () => focusPanel.restyle());
feed.on("error", (error) => {
  // A refused symbol says so in its own row, and a connection that will be tried again in the banner.
  const told = error.code === "unknown-symbol" || error.code === "no-match" || ((error.code === "transport" || error.code === "unreachable") && error.retrying);
  if (!told) notice(error.message);
});

for (const problem of address.problems) notice(problem);
const wanted = address.symbols ?? prefs.symbols;
if (wanted.length > 0) watchlist.add(wanted);
else void firstInstruments();
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
  }),
};
