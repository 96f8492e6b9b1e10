import type { Instrument, StatsRow, StatsWindow } from "@feedd/client";
import { formatChangePercent, formatDecimal, formatPrice, formatSize } from "@feedd/client";
import { byId, make, setAttribute, TextCell } from "../ui/dom.ts";
import { compactDecimal, group, NONE } from "../ui/format.ts";

const COLUMNS = ["Open", "High", "Low", "Change", "%", "Volume", "Turnover", "VWAP", "Trades"] as const;

type Cells = { readonly texts: TextCell[]; readonly row: HTMLTableRowElement };

/** What was traded in 24 hours and in the session, and what the venue states, of the focused symbol. */
export class Statistics {
  readonly #panel = byId("statistics", HTMLElement);
  readonly #note = byId("statistics-note", HTMLElement);
  readonly #day: Cells;
  readonly #session: Cells;
  readonly #stated = byId("stated", HTMLElement);
  readonly #statedCells = new Map<string, { box: HTMLElement; text: TextCell }>();

  constructor() {
    const body = byId("windows", HTMLTableSectionElement);
    byId("windows-head", HTMLTableRowElement).append(...COLUMNS.map((name) => make("th", { role: "columnheader", scope: "col" }, name)));
    const line = (name: string): Cells => {
      const texts = COLUMNS.map(() => new TextCell());
      const row = make("tr", { role: "row" }, make("th", { role: "rowheader", scope: "row" }, name), ...texts.map((text) => make("td", { role: "cell" }, text.node)));
      body.append(row);
      return { texts, row };
    };
    this.#day = line("24 h");
    this.#session = line("Session");
    for (const name of ["Mark", "Index", "Funding", "Open interest", "Settlement", "Previous close"]) {
      const text = new TextCell();
      const box = make("div", { hidden: true }, make("dt", {}, name), make("dd", {}, text.node));
      this.#stated.append(box);
      this.#statedCells.set(name, { box, text });
    }
  }

  /** Draws a row; undefined: none yet, and `why` says what is the matter. */
  draw(stats: StatsRow | undefined, why: string | undefined): void {
    const note = stats !== undefined ? "" : why === undefined ? "" : `No statistics: ${why}`;
    if (this.#note.textContent !== note) this.#note.textContent = note;
    this.#note.hidden = note === "";
    setAttribute(this.#panel, "data-empty", String(stats === undefined));
    this.#window(this.#day, stats?.day ?? null, stats?.instrument);
    this.#window(this.#session, stats?.session ?? null, stats?.instrument);
    setAttribute(this.#session.row, "title", stats === undefined || stats.sessionStartS === 0 ? "" : `since ${new Date(stats.sessionStartS * 1000).toLocaleString()}`);
    this.#state(stats);
  }

  text(): { day: string[]; session: string[]; stated: Record<string, string> } {
    return {
      day: this.#day.texts.map((t) => t.text), session: this.#session.texts.map((t) => t.text),
      stated: Object.fromEntries([...this.#statedCells].flatMap(([name, { box, text }]) => (box.hidden ? [] : [[name, text.text]]))),
    };
  }

  #window({ texts, row }: Cells, window: StatsWindow | null, instrument: Instrument | undefined): void {
    setAttribute(row, "data-way", wayOf(window));
    if (window === null || instrument === undefined) {
      for (const text of texts) text.set(NONE);
      return;
    }
    const price = (value: number) => group(formatPrice(value, instrument));
    const volume = formatSize(window.volume, instrument);
    const shown = [
      price(window.open), price(window.high), price(window.low), signed(price(window.change), window.change), percentText(window),
      compactDecimal(volume), compactDecimal(window.turnover), price(window.vwap), group(String(window.trades)),
    ];
    shown.forEach((text, i) => texts[i]!.set(text));
    setAttribute(row.cells[COLUMNS.indexOf("Volume") + 1]!, "title", `${group(volume)} ${instrument.base}`);
    setAttribute(row.cells[COLUMNS.indexOf("Turnover") + 1]!, "title", `${group(window.turnover)} ${instrument.quote}`);
  }

  #state(stats: StatsRow | undefined): void {
    const price = (value: number | null | undefined) => (value == null ? undefined : group(formatPrice(value, stats!.instrument)));
    const size = (value: number | null | undefined) => (value == null ? undefined : group(formatSize(value, stats!.instrument)));
    const funding = stats?.fundingRateE8;
    const texts: Record<string, string | undefined> = {
      Mark: price(stats?.mark), Index: price(stats?.index), Settlement: price(stats?.settlement),
      // A rate times 10^8 is per cent times 10^6.
      Funding: funding == null ? undefined : `${group(formatDecimal(funding, 6))} %`,
      "Open interest": size(stats?.openInterest), "Previous close": price(stats?.previousClose),
    };
    for (const [name, { box, text }] of this.#statedCells) {
      text.set(texts[name] ?? "");
      box.hidden = texts[name] === undefined;
    }
    this.#stated.hidden = Object.values(texts).every((text) => text === undefined);
  }
}

/** Which way a span went: "up", "down", or "" for neither. */
export function wayOf(window: StatsWindow | null | undefined): "up" | "down" | "" {
  // A change that is written as none has no colour either.
  return window == null || /^[0.]*$/.test(formatChangePercent(window)) ? "" : window.change > 0 ? "up" : "down";
}

/** The change in per cent as the page writes it: "+1.25 %" with the sign that fits the digits. */
export function percentText(window: StatsWindow | null | undefined): string {
  if (window == null) return NONE;
  return formatChangePercent(window).replace("-", "−");
}

function signed(text: string, value: number): string {
  return value > 0 ? `+${text}` : text;
}
