// The ops page: what this node does, and the policy that it keeps to.
import { byId, make } from "../ui/dom.ts";
import { age, compact } from "../ui/format.ts";
import { applyLook, loadLook, saveLook, THEMES } from "../ui/look.ts";
import { Api, Refused } from "./api.ts";
import { ask } from "./ask.ts";
import { diff, hunks } from "./diff.ts";
import { Editor } from "./editor.ts";
import { FleetTable } from "./fleet.ts";
import { showAudit, showDrops, showLanes, showSessions, showSources } from "./panels.ts";
import { Rates } from "./rates.ts";
import { standing } from "./standing.ts";
import { stopsIn } from "./stops.ts";
import { Tiles } from "./tiles.ts";
import type { Caller, Overview, SessionEntry, Status, Version } from "./types.ts";

/** Milliseconds from one look at the node to the next. */
const LOOK_MS = 2000;

class Page {
  readonly #api = new Api(() => sessionStorage);
  readonly #rates = new Rates();
  readonly #tiles = new Tiles(byId("tiles", HTMLElement));
  readonly #fleet = new FleetTable(byId("nodes", HTMLTableElement), byId("nodes-line", HTMLElement), byId("nodes-mixed", HTMLElement));
  readonly #banner = byId("banner", HTMLElement);
  readonly #editor = new Editor(this.#api, (said) => void this.#did(said), (e) => this.#failed(e));
  #caller: Caller = { name: "", role: "viewer" };
  #status: Status | undefined;
  /** When the last look was answered, on this page's clock. */
  #seen = 0;
  /** The node's clock less this page's, in milliseconds. */
  #ahead = 0;
  /** Versions of the policy, as they were last known. */
  #past: readonly Version[] = [];
  /** What cannot be had from beyond the node; "" when all can. */
  #beyond = "";

  constructor() {
    byId("tier", HTMLSelectElement).addEventListener("change", () => void this.#look());
    byId("sort", HTMLSelectElement).addEventListener("change", () => void this.#look());
    byId("theme", HTMLButtonElement).addEventListener("click", () => nextTheme());
    byId("drain", HTMLButtonElement).addEventListener("click", () => void this.#drain());
    byId("stop", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#stop(new FormData(event.target as HTMLFormElement));
    });
    byId("history", HTMLElement).addEventListener("click", (event) => {
      const revision = event.target instanceof HTMLElement ? Number(event.target.dataset["revision"] ?? 0) : 0;
      if (revision > 0) void this.#rollBack(revision);
    });
    byId("stops", HTMLElement).addEventListener("click", (event) => {
      const name = event.target instanceof HTMLElement ? event.target.dataset["stop"] : undefined;
      if (name !== undefined) void this.#release(name);
    });
  }

  async start(): Promise<void> {
    for (;;) {
      try {
        this.#caller = await this.#api.whoami();
        break;
      } catch (e) {
        if (!(e instanceof Refused) || e.status !== 401) {
          this.#failed(e);
          await sleep(LOOK_MS);
          continue;
        }
        await this.#signIn(e.message);
      }
    }
    byId("who", HTMLElement).textContent = `${this.#caller.name}, ${this.#caller.role}`;
    byId("drain", HTMLButtonElement).hidden = !this.#may("admin");
    // Operators change a policy for a while; for good, admins do.
    if (!this.#may("admin")) byId("for", HTMLSelectElement).options[0]!.remove();
    byId("stop", HTMLFormElement).inert = !this.#may("operator");
    void forever(() => this.#look());
    void forever(() => this.#lookBeyond());
  }

  #may(role: "operator" | "admin"): boolean {
    return this.#caller.role === "admin" || this.#caller.role === role;
  }

  /** One look at the node itself, which answers whatever has become of NATS. */
  async #look(): Promise<void> {
    if (document.visibilityState === "hidden") return;
    try {
      const tier = byId("tier", HTMLSelectElement).value;
      const [overview, sessions, audit] = await Promise.all([
        this.#api.overview(), this.#api.sessions(tier, byId("sort", HTMLSelectElement).value), this.#api.audit(),
      ]);
      this.#seen = Date.now();
      const now = Date.parse(overview.time);
      this.#ahead = now - this.#seen;
      this.#rates.look(now);
      this.#showNode(overview);
      this.#tiles.show(overview, this.#rates);
      showLanes(overview);
      showDrops(overview, this.#rates);
      showSources(overview);
      byId("sessions-total", HTMLElement).textContent = `${compact(sessions.total)}${tier === "" ? "" : ` of tier ${tier}`}`;
      showSessions(sessions.sessions ?? [], now, this.#may("operator") ? (s) => void this.#cut(s) : undefined);
      showAudit(audit);
      this.#showTiers(overview);
      if (this.#banner.dataset["sticky"]) return;
      if (this.#beyond === "") this.#banner.hidden = true;
      else this.#say(this.#beyond, "warn");
    } catch (e) {
      if (e instanceof Refused && e.status === 401) return this.#signIn(e.message);
      const last = this.#seen === 0 ? "" : ` What is shown is ${age(Date.now() - this.#seen)} old.`;
      this.#say(`The node does not answer: ${said(e)}.${last}`, "bad");
      this.#node("bad", "No answer");
    }
  }

  /** One look at what the node asks NATS for: the policy and its history, and the other nodes. */
  async #lookBeyond(): Promise<void> {
    if (document.visibilityState === "hidden") return;
    // Each is shown as it comes: with NATS away the node knows its policy at once, and gives up on the rest after seconds.
    const status = this.#api.status().then((now) => {
      this.#showPolicy(now, this.#past);
      return now;
    });
    const answers = await Promise.allSettled([
      status,
      Promise.all([status, this.#api.nodes()]).then(([{ version }, { loads, policies }]) => this.#fleet.show(loads, policies, version.revision, Date.now() + this.#ahead)),
      Promise.all([status, this.#api.history()]).then(([{ version }, past]) => this.#showHistory((this.#past = past), version.revision)),
    ]);
    const failed = answers.find((answer) => answer.status === "rejected");
    if (failed === undefined) this.#beyond = "";
    else if (failed.reason instanceof Refused && failed.reason.status !== 401) { // else the look at the node says it
      this.#beyond = `The policy, its history and the other nodes are as they were last known: ${failed.reason.message}. What is in force stays so.`;
    }
  }

  #showNode(o: Overview): void {
    const [tone, state] = standing(o);
    this.#node(tone, state);
    byId("node-name", HTMLElement).textContent = `${o.node} · ${o.server} · up ${age(Date.parse(o.time) - Date.parse(o.started))}`;
  }

  #node(tone: string, state: string): void {
    byId("node-dot", HTMLElement).dataset["tone"] = tone;
    byId("node-state", HTMLElement).textContent = state;
  }

  #showTiers(o: Overview): void {
    const select = byId("tier", HTMLSelectElement);
    const tiers = Object.keys(o.sessions.by_tier ?? {}).sort();
    if ([...select.options].slice(1).map((option) => option.value).join("\n") === tiers.join("\n")) return;
    const chosen = select.value;
    select.replaceChildren(make("option", { value: "" }, "all"), ...tiers.map((tier) => make("option", { value: tier, selected: tier === chosen }, tier)));
  }

  #showPolicy(status: Status, history: readonly Version[]): void {
    const { version } = status;
    const chip = byId("policy-chip", HTMLElement);
    chip.textContent = `policy ${version.revision === 0 ? "built-in" : version.revision}${version.expires === undefined ? "" : `, until ${new Date(version.expires).toLocaleTimeString()}`}${status.stale ? ", source away" : ""}`;
    chip.dataset["tone"] = status.stale || status.refused !== undefined ? "warn" : "good";
    byId("policy-version", HTMLElement).textContent = version.revision === 0 ? origin(version) : `revision ${version.revision}: ${origin(version)}`;
    const locked = byId("policy-locked", HTMLElement);
    locked.hidden = status.writable && status.refused === undefined;
    locked.textContent = status.refused !== undefined
      ? `Revision ${status.refused.revision} was refused and is not in force: ${status.refused.problems.map((p) => p.text).join("; ")}`
      : status.source === "file" ? "The policy comes from a file: edit that one. What you type here is judged all the same." : "This node has no place to keep a policy: start it with --policy.";
    byId("apply", HTMLFormElement).hidden = !status.writable || !this.#may("operator");
    this.#status = status;
    this.#editor.show(status, this.#may("operator"));
    this.#showHistory(history, version.revision);
    byId("stops", HTMLElement).replaceChildren(...stopsIn(version.text ?? "").map((name) =>
      make("li", {}, make("span", { class: "chip", "data-tone": "warn" }, name), this.#may("operator") && status.writable ? make("button", { type: "button", class: "link", "data-stop": name }, "release") : "")));
  }

  #showHistory(history: readonly Version[], inForce: number): void {
    const list = byId("history", HTMLElement);
    const key = JSON.stringify([history.map((v) => v.revision), inForce]);
    if (list.dataset["key"] === key) return;
    list.dataset["key"] = key;
    list.replaceChildren(...history.slice(0, 12).map((v) => {
      const action = v.revision === inForce ? make("span", { class: "chip", "data-tone": "good" }, "in force") : make("button", { type: "button", class: "link", "data-revision": String(v.revision) }, "compare and roll back");
      return make("li", {}, make("b", {}, String(v.revision)), ` ${origin(v)} `, make("span", { class: "note" }, v.time === undefined ? "" : new Date(v.time).toLocaleString()), " ", action);
    }));
  }

  async #rollBack(revision: number): Promise<void> {
    await this.#try(async () => {
      const { text = "" } = await this.#api.version(revision);
      const reason = await ask({
        title: `Roll back to revision ${revision}?`, text: "Every node puts this text in force again. Clients stay connected, and are told what they have from then on.", yes: "Roll back",
        diff: hunks(diff(this.#status?.version.text ?? "", text)),
      });
      if (reason === undefined) return;
      const status = await this.#api.rollBack(revision, this.#status?.version.revision ?? 0, reason);
      await this.#did(`Revision ${status.version.revision} has the text of ${revision}.`);
    });
  }

  async #stop(form: FormData): Promise<void> {
    const value = (name: string) => String(form.get(name) ?? "").trim();
    const symbols = value("symbols").split(/[\s,]+/).filter((s) => s !== "");
    await this.#try(async () => {
      await this.#api.stop("", symbols, value("reason"), value("for"));
      byId("stop", HTMLFormElement).reset();
      await this.#did(`${symbols.join(", ")} stopped.`);
    });
  }

  async #release(name: string): Promise<void> {
    await this.#try(async () => {
      const reason = await ask({ title: `Release ${name}?`, text: "Its rows go out again at once.", yes: "Release" });
      if (reason === undefined) return;
      await this.#api.release(name, reason);
      await this.#did(`${name} released.`);
    });
  }

  async #cut(s: SessionEntry): Promise<void> {
    await this.#try(async () => {
      const reason = await ask({ title: `Cut session ${s.id}?`, text: `${s.client === undefined || s.client === "" ? "A client" : s.client} at ${s.remote} is told why, and does not come back by itself.`, yes: "Cut" });
      if (reason === undefined) return;
      await this.#api.cut(s.id, reason);
      await this.#did(`Session ${s.id} cut.`);
    });
  }

  async #drain(): Promise<void> {
    await this.#try(async () => {
      const reason = await ask({ title: "Drain this node?", text: "Clients are asked to connect elsewhere, and the process ends.", yes: "Drain" });
      if (reason === undefined) return;
      await this.#api.drain(reason);
      await this.#did("The node is draining.");
    });
  }

  async #try(f: () => Promise<void>): Promise<void> {
    try {
      await f();
    } catch (e) {
      this.#failed(e);
    }
  }

  async #did(what: string): Promise<void> {
    delete this.#banner.dataset["sticky"];
    byId("announce", HTMLElement).textContent = what;
    await Promise.all([this.#look(), this.#lookBeyond()]);
  }

  #failed(e: unknown): void {
    this.#say(said(e), "bad");
    this.#banner.dataset["sticky"] = "true";
    setTimeout(() => delete this.#banner.dataset["sticky"], 10_000);
  }

  #say(text: string, tone: string): void {
    this.#banner.hidden = false;
    this.#banner.dataset["tone"] = tone;
    if (this.#banner.textContent !== text) this.#banner.textContent = text;
  }

  async #signIn(wrong: string): Promise<void> {
    const dialog = byId("sign-in", HTMLDialogElement);
    const input = byId("token", HTMLInputElement);
    const problem = byId("sign-in-wrong", HTMLElement);
    problem.textContent = wrong;
    problem.hidden = sessionStorage.getItem("feedd.admin-token") === null;
    input.value = "";
    if (!dialog.open) dialog.showModal();
    await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
    if (input.value !== "") this.#api.token = input.value;
  }
}

/** How a version came to be, in words. */
function origin({ kind, actor = "", reason = "" }: Version): string {
  return `${kind}${actor === "" ? "" : ` by ${actor}`}${reason === "" ? "" : `, “${reason}”`}`;
}

function said(e: unknown): string {
  if (e instanceof Refused) return [e.message, ...e.problems.map((p) => `${p.line === undefined || p.line === 0 ? "" : `line ${p.line}: `}${p.text}`)].join("; ");
  return e instanceof Error ? e.message : String(e);
}

function nextTheme(): void {
  const look = loadLook(() => localStorage);
  look.theme = THEMES[(THEMES.indexOf(look.theme) + 1) % THEMES.length]!;
  applyLook(document.documentElement, look);
  saveLook(() => localStorage, look);
  byId("theme", HTMLButtonElement).textContent = `Theme: ${look.theme}`;
}

async function forever(look: () => Promise<void>): Promise<never> {
  for (;;) {
    await look();
    await sleep(LOOK_MS);
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

void new Page().start();
