import type { AuditEntry, Caller, Judgement, NodeLoad, Overview, PolicyNode, Problem, SessionEntry, Status, Version } from "./types.ts";

/** An answer other than the one that was hoped for. */
export class Refused extends Error {
  constructor(readonly status: number, text: string, readonly problems: Problem[] = []) {
    super(text);
  }
}

/** The admin API of the node that served this page. The token is kept for as long as the tab. */
export class Api {
  constructor(private readonly storage: () => Storage, private readonly fetcher: typeof fetch = (...args) => fetch(...args)) {}

  set token(token: string) {
    this.storage().setItem("feedd.admin-token", token);
  }

  whoami = () => this.#json<Caller>("GET", "whoami");
  overview = () => this.#json<Overview>("GET", "overview");
  status = () => this.#json<Status>("GET", "policy");
  nodes = async () => {
    const { nodes, loads } = await this.#json<{ nodes?: PolicyNode[]; loads?: NodeLoad[] }>("GET", "nodes");
    return { policies: nodes ?? [], loads: loads ?? [] };
  };
  history = async () => (await this.#json<{ versions?: Version[] }>("GET", "policy/history")).versions ?? [];
  version = (revision: number) => this.#json<Version>("GET", `policy/history/${revision}`);
  audit = async () => (await this.#json<{ entries?: AuditEntry[] }>("GET", "audit?limit=30")).entries ?? [];
  sessions = (tier: string, sort: string) =>
    this.#json<{ total: number; sessions?: SessionEntry[] }>("GET", `sessions?${new URLSearchParams({ ...(tier === "" ? {} : { tier }), sort, limit: "50" })}`);

  dryRun = (text: string) => this.#json<Judgement>("POST", "policy/dry-run", text);

  apply = (text: string, revision: number, reason: string, during: string) =>
    this.#json<Status>("PUT", `policy?${query({ reason, for: during })}`, text, { "If-Match": `"${revision}"` });

  rollBack = (to: number, revision: number, reason: string) =>
    this.#json<Status>("POST", `policy/rollback?${query({ reason })}`, JSON.stringify({ revision: to }), { "If-Match": `"${revision}"`, "Content-Type": "application/json" });

  stop = (name: string, symbols: string[], reason: string, during: string) =>
    this.#json<Status>("POST", `policy/stops?${query({ reason })}`, JSON.stringify({ name, symbols, ...(during === "" ? {} : { for: during }) }), { "Content-Type": "application/json" });

  release = (name: string, reason: string) => this.#json<Status>("DELETE", `policy/stops/${encodeURIComponent(name)}?${query({ reason })}`);
  cut = (id: string, reason: string) => this.#json<unknown>("DELETE", `sessions/${encodeURIComponent(id)}?${query({ reason })}`);
  drain = (reason: string) => this.#json<unknown>("POST", `drain?${query({ reason })}`);

  async #json<T>(method: string, path: string, body?: string, headers: Record<string, string> = {}): Promise<T> {
    const token = this.storage().getItem("feedd.admin-token");
    if (token !== null) headers["Authorization"] = `Bearer ${token}`;
    if (body !== undefined) headers["Content-Type"] ??= "application/yaml";
    const response = await this.fetcher(`/v1/${path}`, { method, headers, ...(body === undefined ? {} : { body }) });
    const text = await response.text();
    let answer: { error?: string; problems?: Problem[] } = {};
    try {
      answer = text === "" ? {} : (JSON.parse(text) as typeof answer);
    } catch {
      answer = { error: text.trim() };
    }
    if (!response.ok) throw new Refused(response.status, answer.error ?? response.statusText, answer.problems);
    return answer as T;
  }
}

function query(values: Record<string, string>): URLSearchParams {
  return new URLSearchParams(Object.entries(values).filter(([, value]) => value !== ""));
}
