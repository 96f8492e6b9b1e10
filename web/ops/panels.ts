import { byId, make } from "../ui/dom.ts";
import { age, byteRate, compact } from "../ui/format.ts";
import { bar, fill } from "./rows.ts";
import type { Rates } from "./rates.ts";
import type { AuditEntry, Overview, SessionEntry } from "./types.ts";

const table = (id: string) => byId(id, HTMLTableElement);
const since = (time: string, now: number) => age(Math.max(0, now - Date.parse(time)));

export function showLanes(o: Overview): void {
  const most = Math.max(1, ...(o.lanes ?? []).map((l) => l.lanes));
  fill(table("lanes"), (o.lanes ?? []).map((l) => ({
    key: l.cadence,
    cells: [l.cadence, compact(l.lanes), bar(l.lanes / most), compact(l.lagging), compact(l.views), compact(l.cohorts)],
    ...(l.lanes === 0 ? { tone: "soft" as const } : l.lagging * 4 > l.lanes ? { tone: "warn" as const } : {}),
  })), "Nobody is subscribed.");
}

/** What was not sent as it came, or not at all: the reasons that ever happened, the busiest first. */
export function showDrops(o: Overview, rates: Rates): void {
  const drops = Object.entries(o.totals.drops ?? {}).map(([name, count]) => ({ name, count, rate: rates.of(`drop ${name}`, count) ?? 0 }));
  const some = drops.filter((d) => d.count > 0).sort((a, b) => b.rate - a.rate || b.count - a.count);
  fill(table("drops"), some.map(({ name, count, rate }) => ({ key: name, cells: [name.replaceAll("_", " "), rate === 0 ? "" : `${compact(rate)}/s`, compact(count)] })), "Nothing so far.");
}

export function showSources(o: Overview): void {
  fill(table("sources"), (o.sources ?? []).map((s) => ({
    key: s.name,
    cells: [s.name, s.stream, s.quality, s.reason ?? ""],
    ...(s.quality === "ok" ? {} : { tone: "warn" as const }),
  })), "No source was heard of.");
}

export function showSessions(list: readonly SessionEntry[], now: number, cut: ((s: SessionEntry) => void) | undefined): void {
  fill(table("sessions"), list.map((s) => {
    const cadences = Object.entries(s.cadences ?? {}).map(([cadence, n]) => `${n} × ${cadence}`).join(", ");
    const state = s.blocked ? "blocked" : s.slowed === undefined ? "in step" : `${s.slowed.reason}: ${s.slowed.floor} at most`;
    const button = make("button", { type: "button", class: "link", "aria-label": `cut session ${s.id}`, "data-session": s.id }, "cut");
    return {
      key: s.id,
      cells: [s.id, s.tier, s.subject ?? "", s.client ?? "", s.remote, compact(s.subscriptions), cadences, byteRate(s.bytes_per_second), state, since(s.opened, now), cut === undefined ? "" : button],
      ...(s.blocked ? { tone: "bad" as const } : s.slowed !== undefined ? { tone: "warn" as const } : {}),
    };
  }), "Nobody is connected.");
  table("sessions").onclick = (event) => {
    const id = event.target instanceof HTMLElement ? event.target.dataset["session"] : undefined;
    const session = list.find((s) => s.id === id);
    if (session !== undefined) cut?.(session);
  };
}

export function showAudit(entries: readonly AuditEntry[]): void {
  fill(table("audit"), entries.map((e, i) => ({
    key: `${e.time} ${i}`,
    cells: [new Date(e.time).toLocaleString(), e.actor, e.action, e.target, e.reason, e.outcome === "done" ? "done" : `refused: ${e.detail ?? ""}`],
    ...(e.outcome === "done" ? {} : { tone: "warn" as const }),
  })), "Nobody changed anything through this node yet.");
}
