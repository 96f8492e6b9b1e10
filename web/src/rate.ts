import type { Grant, GrantReason } from "@feedd/client";
import { byId, make, setAttribute, TextCell } from "./dom.ts";
import { cadenceLabel, LADDER_MS } from "./ladder.ts";

/** Why a grant is not what was wished, for people. */
const REASONS: Partial<Record<GrantReason, string>> = {
  rounded: "rounded", policy: "set by policy", congestion: "slow line", hidden: "page hidden", default: "default",
};

/** The ladder of rates: what is wished, and what the server gives. */
export class RatePicker {
  readonly #inputs = new Map<number, HTMLInputElement>();
  readonly #out = byId("grant", HTMLOutputElement);
  readonly #grant = new TextCell(this.#out);
  #cadenceMs: number;

  constructor(cadenceMs: number, private readonly changed: (cadenceMs: number) => void) {
    this.#cadenceMs = cadenceMs;
    const ladder = byId("ladder", HTMLElement);
    for (const ms of LADDER_MS) {
      const input = make("input", { type: "radio", name: "rate", value: String(ms) });
      input.checked = ms === cadenceMs;
      input.addEventListener("change", () => this.#choose(ms));
      this.#inputs.set(ms, input);
      ladder.append(make("label", {}, input, cadenceLabel(ms)));
    }
  }

  get cadenceMs(): number {
    return this.#cadenceMs;
  }

  /** Goes along the ladder: 1 is a step slower, -1 a step faster. */
  step(by: 1 | -1): void {
    const next = LADDER_MS[LADDER_MS.indexOf(this.#cadenceMs) + by];
    if (next === undefined) return;
    this.#inputs.get(next)!.checked = true;
    this.#choose(next);
  }

  drawGrant(grant: Grant | undefined): void {
    if (grant === undefined || grant.reason === "paused") {
      this.#grant.set(grant === undefined ? "" : "paused");
      return;
    }
    const reason = REASONS[grant.reason];
    this.#grant.set(`granted ${cadenceLabel(grant.cadenceMs)}${reason === undefined ? "" : `, ${reason}`}`);
    setAttribute(this.#out, "data-less", String(grant.cadenceMs > this.#cadenceMs));
  }

  #choose(ms: number): void {
    if (ms === this.#cadenceMs) return;
    this.#cadenceMs = ms;
    this.changed(ms);
  }
}
