/** What the admin API answers; docs/admin-api.md tells of it. */

export interface Version {
  revision: number;
  kind: "built-in" | "file" | "apply" | "rollback" | "stop" | "release" | "expiry";
  /** Nobody, where the policy is built in or comes from a file. */
  actor?: string;
  reason?: string;
  time?: string;
  text?: string;
  expires?: string;
}

export interface Problem {
  line?: number;
  path?: string;
  text: string;
}

export interface PolicyNode {
  node: string;
  revision: number;
  state: string;
  error?: string;
  time: string;
  sessions?: number;
}

export interface NodeLoad {
  node: string;
  instance: string;
  this?: boolean;
  version: string;
  compatible: boolean;
  namesake: boolean;
  url?: string;
  started: string;
  heard: string;
  clock_ms: number;
  silent?: boolean;
  level: string;
  refuses: boolean;
  draining: boolean;
  sessions: number;
  frames_per_s: number;
  bytes_per_s: number;
  cores: number;
  cpu: number;
  memory_bytes: number;
  memory_limit_bytes: number;
  interest: string;
  instruments: number;
  carried: number;
  /** Where its policy comes from; absent: it does not say. */
  policy?: "built-in" | "file" | "nats";
}

export interface Status {
  version: Version;
  source: "built-in" | "file" | "nats";
  writable: boolean;
  stale?: boolean;
  refused?: { revision: number; problems: Problem[] };
  nodes?: PolicyNode[];
}

export interface Effect {
  sessions: number;
  subscriptions: number;
  lanes: number;
  of_sessions: number;
  of_lanes: number;
  not_looked_at: number;
  moves?: { tier: string; from: string; to: string; subscriptions: number; sessions: number }[];
  withdrawn: number;
  replaced: number;
  frames_per_second: { now: number; then: number };
  bytes_per_second: { now: number; then: number };
}

export interface Judgement {
  valid: boolean;
  problems?: Problem[];
  effect?: Effect;
}

export interface Overview {
  time: string;
  node: string;
  server: string;
  started: string;
  draining: boolean;
  policy: { revision: number; source: string; stale?: boolean; refused?: boolean; expires?: string };
  sessions: { open: number; blocked: number; by_tier?: Record<string, number>; slowed?: Record<string, number> };
  lanes?: { cadence: string; interval_ms: number; lanes: number; lagging: number; views: number; cohorts: number }[];
  instruments: number;
  sources?: { name: string; stream: string; quality: string; reason?: string }[];
  nats_connected: boolean;
  totals: {
    frames: number;
    bytes: number;
    ticks?: Record<string, number>;
    gaps: number;
    cut_lateness_max_ms: number;
    drops?: Record<string, number>;
  };
}

export interface SessionEntry {
  id: string;
  tier: string;
  subject?: string;
  client?: string;
  remote: string;
  opened: string;
  subscriptions: number;
  instruments: number;
  cadences?: Record<string, number>;
  slowed?: { reason: string; floor: string; since: string };
  bytes_per_second: number;
  blocked: boolean;
}

export interface AuditEntry {
  time: string;
  node: string;
  actor: string;
  role: string;
  action: string;
  target: string;
  reason: string;
  outcome: "done" | "refused";
  detail?: string;
}

export interface Caller {
  name: string;
  role: "viewer" | "operator" | "admin";
}
