import { byId, make } from "../ui/dom.ts";
import { byteRate, compact, count } from "../ui/format.ts";
import { Refused, type Api } from "./api.ts";
import { diff } from "./diff.ts";
import type { Effect, Judgement, Problem, Status } from "./types.ts";

/** Milliseconds without a key before what was typed is judged. */
const PAUSE_MS = 350;

/** The policy as text, judged as one types, with what it would do beside it. */
export class Editor {
  readonly #text = byId("text", HTMLTextAreaElement);
  readonly #lines = byId("lines", HTMLElement);
  readonly #verdict = byId("verdict", HTMLElement);
  readonly #problems = byId("problems", HTMLElement);
  readonly #effect = byId("effect", HTMLElement);
  readonly #apply = byId("apply-now", HTMLButtonElement);
  readonly #revert = byId("revert", HTMLButtonElement);
  #status: Status | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Which text was sent to be judged last: answers to others are late. */
  #asked = 0;
  #may = false;

  constructor(private readonly api: Api, private readonly done: (said: string) => void, private readonly failed: (e: unknown) => void) {
    this.#text.addEventListener("input", () => this.#typed());
    this.#text.addEventListener("scroll", () => (this.#lines.scrollTop = this.#text.scrollTop));
    this.#text.addEventListener("keydown", (event) => this.#key(event));
    this.#revert.addEventListener("click", () => this.load(this.#status?.version.text ?? ""));
    byId("apply", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#put();
    });
  }

  /** Whether there is something that is not in force. */
  get touched(): boolean {
    return this.#status !== undefined && this.#text.value !== (this.#status.version.text ?? "");
  }

  /** The policy in force is this one. What was typed stays. */
  show(status: Status, mayWrite: boolean): void {
    const untouched = this.#status === undefined || !this.touched;
    const moved = this.#status !== undefined && this.#status.version.revision !== status.version.revision;
    this.#status = status;
    this.#may = mayWrite && status.writable;
    this.#text.readOnly = !this.#may;
    if (untouched) this.load(status.version.text ?? "");
    else if (moved) this.#typed(); // what it would change is another thing now
  }

  /** Puts a text into the editor, to look at and to apply. */
  load(text: string): void {
    this.#text.value = text;
    this.#typed();
  }

  #typed(): void {
    this.#number([]);
    clearTimeout(this.#timer);
    const asked = ++this.#asked;
    this.#apply.disabled = true;
    this.#revert.disabled = !this.touched;
    if (!this.touched) return this.#judge({ valid: true });
    this.#verdict.textContent = "Judging…";
    this.#timer = setTimeout(() => {
      this.api.dryRun(this.#text.value).then(
        (judgement) => asked === this.#asked && this.#judge(judgement),
        (e: unknown) => asked === this.#asked && (e instanceof Refused && e.problems.length > 0 ? this.#judge({ valid: false, problems: e.problems }) : this.failed(e)),
      );
    }, PAUSE_MS);
  }

  #judge({ valid, problems = [], effect }: Judgement): void {
    const { touched } = this;
    this.#verdict.dataset["tone"] = !valid ? "bad" : touched ? "good" : "";
    this.#verdict.textContent = !touched ? "This is in force" : valid ? changes(this.#status?.version.text ?? "", this.#text.value) : problems.length === 1 ? "One mistake" : `${problems.length} mistakes`;
    this.#problems.replaceChildren(...problems.map((problem) => this.#problem(problem)));
    this.#number(problems);
    this.#effect.replaceChildren(...(effect === undefined ? [] : effectOf(effect)));
    this.#apply.disabled = !valid || !touched || !this.#may;
  }

  #problem({ line, path, text }: Problem): HTMLElement {
    const words = `${path === undefined || path === "" ? "" : `${path}: `}${text}`;
    if (line === undefined || line === 0) return make("li", {}, words);
    const button = make("button", { type: "button", class: "link" }, `line ${line}`);
    button.addEventListener("click", () => this.#goTo(line));
    return make("li", {}, button, ` ${words}`);
  }

  #goTo(line: number): void {
    const lines = this.#text.value.split("\n");
    const start = lines.slice(0, line - 1).reduce((sum, l) => sum + l.length + 1, 0);
    this.#text.focus();
    this.#text.setSelectionRange(start, start + (lines[line - 1]?.length ?? 0));
  }

  #number(problems: readonly Problem[]): void {
    const wrong = new Set(problems.map((p) => p.line));
    const count = this.#text.value.split("\n").length;
    this.#lines.replaceChildren(...Array.from({ length: count }, (_, i) => make("span", { "data-wrong": String(wrong.has(i + 1)) }, String(i + 1))));
    this.#lines.scrollTop = this.#text.scrollTop;
  }

  /** Tab indents, as YAML wants; Escape first gives the key back, so that the keyboard can leave. */
  #key(event: KeyboardEvent): void {
    if (event.key === "Escape") this.#text.dataset["leaving"] = "true";
    else if (event.key === "Tab" && !event.shiftKey && this.#text.dataset["leaving"] !== "true" && !this.#text.readOnly) {
      event.preventDefault();
      this.#text.setRangeText("  ", this.#text.selectionStart, this.#text.selectionEnd, "end");
      this.#typed();
    } else if (event.key !== "Tab") this.#text.dataset["leaving"] = "false";
  }

  async #put(): Promise<void> {
    const reason = byId("reason", HTMLInputElement);
    const during = byId("for", HTMLSelectElement).value;
    this.#apply.disabled = true;
    try {
      const status = await this.api.apply(this.#text.value, this.#status?.version.revision ?? 0, reason.value, during);
      this.#status = status;
      reason.value = "";
      this.load(status.version.text ?? this.#text.value);
      this.done(`Revision ${status.version.revision} is in force${during === "" ? "" : ` for ${during}`}.`);
    } catch (e) {
      this.#typed();
      this.failed(e);
    }
  }
}

function changes(before: string, after: string): string {
  const lines = diff(before, after);
  const count = (kind: string) => lines.filter((line) => line.kind === kind).length;
  return `Valid: ${count("added")} lines added, ${count("removed")} removed`;
}

function effectOf(e: Effect): HTMLElement[] {
  const figure = (name: string, value: string) => make("div", {}, make("dt", {}, name), make("dd", {}, value));
  const arrow = (now: number, then: number, say: (n: number) => string) => `${say(now)} → ${say(then)}`;
  const list = make("dl", { class: "effect" },
    figure("lanes changed", `${compact(e.lanes)} of ${compact(e.of_lanes)}`),
    figure("sessions", `${compact(e.sessions)} of ${compact(e.of_sessions)}`),
    figure("subscriptions", compact(e.subscriptions)),
    figure("frames a second", arrow(e.frames_per_second.now, e.frames_per_second.then, compact)),
    figure("traffic", arrow(e.bytes_per_second.now, e.bytes_per_second.then, byteRate)),
    ...(e.withdrawn > 0 ? [figure("withdrawn", compact(e.withdrawn))] : []),
    ...(e.replaced > 0 ? [figure("other view", compact(e.replaced))] : []),
  );
  const moves = make("ul", { class: "moves" }, ...(e.moves ?? []).slice(0, 8).map((m) =>
    make("li", {}, make("span", { class: "chip" }, m.tier), ` ${m.from} → ${m.to}: ${count(m.subscriptions, "subscription")} of ${count(m.sessions, "session")}`)));
  const note = make("p", { class: "note" }, e.lanes === 0 && e.withdrawn === 0 ? "Nothing would change for those who are connected." : "What it would do to those who are connected to this node now.");
  return [list, moves, note];
}
