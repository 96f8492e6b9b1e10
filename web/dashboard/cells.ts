import type { Instrument } from "@feedd/client";
import { formatPrice, formatSize } from "@feedd/client";
import { isPattern } from "./address.ts";
import { TextCell, make } from "../ui/dom.ts";
import { NONE, group, sharedPrefix } from "../ui/format.ts";

/** Which way a value moved: 1 up, -1 down, 0 not, or nothing to compare with. */
export type Way = -1 | 0 | 1;

/**
 * A price in two parts: the digits that stayed and those from the first that changed, which a flash
 * lights up.
 */
export class PriceText {
  readonly #stem = new TextCell();
  readonly #tail = new TextCell();
  #value: number | null | undefined;
  #text = "";

  /** Goes behind what `parent` holds. */
  constructor(parent: HTMLElement) {
    parent.append(this.#stem.node, make("b", {}, this.#tail.node));
  }

  get text(): string {
    return this.#text;
  }

  show(value: number | null, instrument: Instrument): Way {
    const before = this.#value;
    if (value === before) return 0;
    this.#value = value;
    const text = value === null ? NONE : group(formatPrice(value, instrument));
    const stay = before === undefined ? text.length : sharedPrefix(this.#text, text);
    this.#text = text;
    this.#stem.set(text.slice(0, stay));
    this.#tail.set(text.slice(stay));
    if (value === null || before === null || before === undefined) return 0;
    return value > before ? 1 : -1;
  }
}

/** A size; tells whether it changed. */
export class SizeText {
  readonly #text: TextCell;
  #value: number | null | undefined;

  constructor(parent: HTMLElement) {
    this.#text = new TextCell(parent);
  }

  get text(): string {
    return this.#text.text;
  }

  show(value: number | null, instrument: Instrument): boolean {
    const before = this.#value;
    if (value === before) return false;
    this.#value = value;
    this.#text.set(value === null ? NONE : group(formatSize(value, instrument)));
    return before !== undefined;
  }
}

/** "venue:NAME" as a quiet venue and a plain name; a pattern, and a symbol without a colon, as they stand. */
export function symbolNodes(symbol: string): (Node | string)[] {
  const colon = symbol.indexOf(":");
  if (colon < 0 || isPattern(symbol)) return [symbol];
  return [make("small", {}, symbol.slice(0, colon)), symbol.slice(colon + 1)];
}

/** Difference of ask and bid as decimal text. */
export function spreadText(bid: number | null, ask: number | null, instrument: Instrument): string {
  return bid === null || ask === null ? NONE : group(formatPrice(ask - bid, instrument));
}
