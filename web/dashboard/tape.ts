import type { TradeEvent, TradeRow } from "@feedd/client";
import { formatPrice, formatSize } from "@feedd/client";
import { make, TextCell } from "../ui/dom.ts";
import { group, timeOfDay } from "../ui/format.ts";

/** Lines that the tape shows; the store keeps more. */
const TAPE_LINES = 80;

/** How fast the largest size that bars are measured by is forgotten, for each trade. */
const FORGET = 0.985;

/** What one line says. */
export interface TapeLine {
  kind: "trade" | "note";
  /** Size of the trade in scaled units; 0 for a note. */
  amount: number;
  time: string;
  price: string;
  size: string;
  /** Class of the line: who took liquidity, or that the trade was taken back. */
  mark: string;
  note: string;
}

/** The line of an event. Trades that are missing say so, how many and why: never silence. */
export function tapeLine(event: TradeEvent): TapeLine {
  if (event.type === "trade") return tradeLine(event.trade);
  const trades = event.count === 1 ? "1 trade" : `${group(String(event.count))} trades`;
  const range = event.from === event.to ? `#${event.from}` : `#${event.from}–${event.to}`;
  if (event.type === "gap" && event.recovered) {
    return { kind: "note", amount: 0, time: "", price: "", size: "", mark: "found", note: `${trades} found again (${range})` };
  }
  const why = event.type === "lost"
    ? `${trades} lost (${range}): they came faster than this page takes them`
    : `${trades} missing (${range}): never reached the server`;
  return { kind: "note", amount: 0, time: "", price: "", size: "", mark: event.type, note: why };
}

function tradeLine(trade: TradeRow): TapeLine {
  const mended = trade.kind === "cancellation" ? " void" : "";
  return {
    kind: "trade",
    amount: trade.size,
    time: timeOfDay(trade.exchangeTimeUs ?? trade.ingestTimeUs),
    price: (trade.kind === "correction" ? "≙ " : "") + group(formatPrice(trade.price, trade.instrument)),
    size: group(formatSize(trade.size, trade.instrument)),
    mark: (trade.aggressor === "unknown" ? "" : trade.aggressor) + mended,
    note: "",
  };
}

/** A line's elements; lines are used again from the bottom up, so a tape at rest makes no garbage. */
class Line {
  readonly element: HTMLTableRowElement;
  readonly #time: TextCell;
  readonly #price: TextCell;
  readonly #size: TextCell;

  constructor() {
    const cell = (name: string) => make("td", { role: "cell", class: name });
    const [time, price, size] = [cell(""), cell("at"), cell("size")];
    this.element = make("tr", { role: "row" }, time, price, size);
    this.#time = new TextCell(time);
    this.#price = new TextCell(price);
    this.#size = new TextCell(size);
  }

  /** share: how large the trade is beside those before it, 0 to 1. */
  show(line: TapeLine, share: number): void {
    this.element.style.backgroundSize = `${(100 * share).toFixed(1)}% calc(100% - 2px)`;
    this.element.className = line.kind === "note" ? `note ${line.mark}` : line.mark;
    this.#time.set(line.kind === "note" ? line.note : line.time);
    this.#price.set(line.price);
    this.#size.set(line.size);
  }
}

/** The trades of the focused symbol, newest first. */
export class Tape {
  /** In the order of the screen, newest first. */
  readonly #lines: Line[] = [];
  #waiting: TradeEvent[] = [];
  #cleared = false;
  #emptyNote = "";
  /** Size of the largest trade of late, in scaled units. */
  #largest = 0;

  constructor(private readonly body: HTMLTableSectionElement) {}

  /** Starts over with the trades of another symbol, oldest first. */
  reset(trades: readonly TradeRow[], emptyNote: string): void {
    this.#waiting = trades.slice(-TAPE_LINES).map((trade) => ({ type: "trade", trade }));
    this.#cleared = true;
    this.#largest = 0;
    this.#emptyNote = emptyNote;
  }

  push(events: readonly TradeEvent[]): void {
    this.#waiting.push(...events.slice(-TAPE_LINES));
    // A hidden page gets no frames: what would scroll off unseen is dropped now. Notes count as lines.
    if (this.#waiting.length > 4 * TAPE_LINES) this.#waiting = this.#waiting.slice(-TAPE_LINES);
  }

  draw(): void {
    if (this.#cleared) {
      this.body.replaceChildren();
      this.#lines.length = 0;
      this.#cleared = false;
      if (this.#waiting.length === 0 && this.#emptyNote !== "") this.body.append(noteRow(this.#emptyNote));
    }
    if (this.#waiting.length === 0) return;
    if (this.#lines.length === 0) this.body.replaceChildren();
    for (const event of this.#waiting.slice(-TAPE_LINES)) {
      const line = this.#lines.length >= TAPE_LINES ? this.#lines.pop()! : new Line();
      const said = tapeLine(event);
      this.#largest = Math.max(said.amount, this.#largest * FORGET);
      line.show(said, this.#largest > 0 ? said.amount / this.#largest : 0);
      this.#lines.unshift(line);
      this.body.prepend(line.element);
    }
    this.#waiting = [];
  }

  /** Texts of the lines, newest first. */
  text(): string[] {
    return this.#lines.map((line) => [...line.element.cells].map((cell) => cell.textContent).filter((t) => t !== "").join(" "));
  }
}

function noteRow(text: string): HTMLTableRowElement {
  return make("tr", { role: "row", class: "quiet" }, make("td", { role: "cell" }, text));
}
