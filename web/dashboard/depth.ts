import type { BookStore, Client, Instrument } from "@feedd/client";
import { spreadText } from "./cells.ts";
import { byId, make, setAttribute, TextCell } from "../ui/dom.ts";
import type { Flashes } from "../ui/flash.ts";
import { basisPoints } from "../ui/format.ts";
import type { Frame } from "../ui/frame.ts";
import { groupLabel, groupsFor } from "./groups.ts";
import { LadderSide } from "./ladder-side.ts";

/** Height in the style sheet of the head and the spread together; that of a level is --level. */
const FIXED_PX = 44;
/** Lines that a side has at least, and at most. */
const FEWEST = 3;
const MOST = 50;
/** Levels that are asked for: the first of these that fills the lines. */
const DEPTHS = [20, 50];

/** The order book of the focused symbol: asks above, bids below, the spread between them. */
export class Depth {
  readonly #panel = byId("depth", HTMLElement);
  readonly #note = byId("depth-note", HTMLElement);
  readonly #spread = new TextCell(byId("depth-spread", HTMLElement));
  readonly #state = new TextCell(byId("depth-state", HTMLElement));
  readonly #groups = byId("depth-group", HTMLSelectElement);
  readonly #asks = new LadderSide(byId("depth-asks", HTMLTableSectionElement), "ask");
  readonly #bids = new LadderSide(byId("depth-bids", HTMLTableSectionElement), "bid");
  #store: BookStore | undefined;
  #symbol: string | undefined;
  #group = 0;
  #lines = FEWEST;
  /** Price for which the list of groups was made; it stays until the price has doubled or halved. */
  #groupsFor: number | undefined;
  #dirty = false;

  constructor(
    private readonly feed: Client,
    private readonly frame: Frame,
    private readonly flashes: Flashes,
    private cadenceMs: number,
  ) {
    frame.add((nowMs) => this.#draw(nowMs));
    this.#groups.addEventListener("change", () => {
      this.#group = Number(this.#groups.value);
      this.#open();
    });
    new ResizeObserver(([entry]) => this.#resize(entry!.contentRect.height)).observe(byId("depth-box", HTMLElement));
  }

  /** Shows another symbol's book, ungrouped; undefined: none. */
  show(symbol: string | undefined): void {
    if (symbol === this.#symbol) return;
    this.#symbol = symbol;
    this.#group = 0;
    this.#groupsFor = undefined;
    this.#groups.replaceChildren();
    this.#open();
  }

  setRate(cadenceMs: number): void {
    this.cadenceMs = cadenceMs;
    this.#store?.setRate(cadenceMs);
  }

  /** Goes along the list of groups: 1 is a step wider, -1 a step narrower. */
  step(by: 1 | -1): void {
    const next = this.#groups.selectedIndex + by;
    if (next < 0 || next >= this.#groups.length) return;
    this.#groups.selectedIndex = next;
    this.#groups.dispatchEvent(new Event("change"));
  }

  text(): { bids: [string, string][]; asks: [string, string][]; spread: string; state: string; note: string } {
    return {
      bids: this.#bids.text(), asks: this.#asks.text(), spread: this.#spread.text, state: this.#state.text,
      note: this.#note.hidden ? "" : this.#note.textContent!,
    };
  }

  #open(): void {
    this.#store?.close();
    this.#store = undefined;
    this.#explain(this.#symbol === undefined ? "" : "Waiting for the book…");
    this.#asks.clear();
    this.#bids.clear();
    this.#spread.set("");
    this.#touch();
    if (this.#symbol === undefined) return;
    const store = this.feed.book(this.#symbol, { depth: this.#depth, priceGroup: this.#group, cadenceMs: this.cadenceMs });
    this.#store = store;
    store.subscribe(() => this.#touch());
    store.onResult((_, result) => {
      if (store === this.#store && !result.ok) this.#explain(`No book: ${result.text ?? result.code ?? "refused"}`);
    });
  }

  get #depth(): number {
    return DEPTHS.find((depth) => depth >= this.#lines) ?? DEPTHS.at(-1)!;
  }

  get #levelPx(): number {
    return Number.parseFloat(getComputedStyle(this.#panel).getPropertyValue("--level")) || 20;
  }

  /** The density may be another. */
  restyle(): void {
    this.#resize(byId("depth-box", HTMLElement).clientHeight);
  }

  #resize(height: number): void {
    if (height === 0) return; // not on the screen
    const lines = Math.min(MOST, Math.max(FEWEST, Math.floor((height - FIXED_PX) / this.#levelPx / 2)));
    if (lines === this.#lines && this.#bids.text().length > 0) return;
    const depth = this.#depth;
    this.#lines = lines;
    this.#asks.resize(lines);
    this.#bids.resize(lines);
    if (depth !== this.#depth) this.#open();
    this.#touch();
  }

  #touch(): void {
    this.#dirty = true;
    this.frame.request();
  }

  #draw(nowMs: number): void {
    const store = this.#store;
    if (!this.#dirty || store === undefined) return;
    this.#dirty = false;
    setAttribute(this.#panel, "data-quality", store.quality);
    this.#state.set(store.quality === "ok" || store.times === undefined ? "" : store.quality);
    const { instrument, bids, asks } = store;
    if (instrument === undefined || store.times === undefined) return;
    this.#explain(bids.length + asks.length === 0 ? "The book is empty" : "");
    const [bid, ask] = [this.#bids.measure(bids), this.#asks.measure(asks)];
    const most = { size: Math.max(bid.size, ask.size), sum: Math.max(bid.sum, ask.sum) };
    this.#bids.draw(bids, instrument, most, this.flashes, nowMs);
    this.#asks.draw(asks, instrument, most, this.flashes, nowMs);
    const best = [bids, asks].map((side) => (side.length > 0 ? side.price(0) : null)) as [number | null, number | null];
    this.#spread.set(best.includes(null) ? "" : spreadText(...best, instrument) + basisPoints(...best));
    this.#offerGroups(instrument, best[0] ?? best[1]);
  }

  #offerGroups(instrument: Instrument, price: number | null): void {
    const before = this.#groupsFor;
    if (price === null || (before !== undefined && Math.abs(price) < 2 * Math.abs(before) && Math.abs(price) > Math.abs(before) / 2)) return;
    this.#groupsFor = price;
    const widths = groupsFor(instrument, price);
    if (this.#group !== 0 && !widths.includes(this.#group)) widths.push(this.#group);
    this.#groups.replaceChildren(
      make("option", { value: "0" }, "none"),
      ...widths.map((width) => make("option", { value: String(width) }, groupLabel(width, instrument))),
    );
    this.#groups.value = String(this.#group);
  }

  /** A note in the place of levels. */
  #explain(text: string): void {
    if (this.#note.textContent !== text) this.#note.textContent = text;
    this.#note.hidden = text === "";
  }
}
