import type { Overview } from "./types.ts";

/** How a node stands, in a few words: the worst of itself, its NATS and what it hears there. */
export function standing(o: Pick<Overview, "draining" | "nats_connected" | "sources">): ["good" | "warn" | "bad", string] {
  if (o.draining) return ["warn", "Draining"];
  if (!o.nats_connected) return ["bad", "NATS is away"];
  const sources = o.sources ?? [];
  const suspect = sources.filter((source) => source.quality === "suspect").length;
  if (suspect > 0) return ["warn", suspect === sources.length ? "Feed suspect" : `${suspect} of ${sources.length} sources suspect`];
  return ["good", "Serving"];
}
