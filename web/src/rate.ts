import { byId, make, setAttribute, TextCell } from "./dom.ts";
import { cadenceLabel, LADDER_MS } from "./ladder.ts";

/** Why a grant is not what was wished, for people. */
const REASONS: Record<string, string> = {
  rounded: "rounded", policy: "set by policy", congestion: "slow line", hidden: "page hidden", paused: "paused", default: "default",
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

  drawGrant(grant: { cadenceMs: number; reason: string } | undefined): void {
    if (grant === undefined) {
      this.#grant.set("");
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
