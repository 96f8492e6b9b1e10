/** What those who hold a topic or a pattern wish together. */

import type { Holder, Kind, Phase, Topic } from './topic.js';

/** A symbol with *, or a list such as "@majors": the server says what it comes to, now and later. */
export interface Pattern {
  readonly kind: Kind;
  readonly text: string;
  readonly holders: Set<Holder>;
  readonly matched: Set<Topic>;
  phase: Phase;
  /** The cadence that was asked for, which what joins later gets. */
  wish: number | undefined;
  /** The view that is given, which may be less than what was asked. */
  given: string;
}

export function isPattern(text: string): boolean {
  return text.includes('*') || text.startsWith('@');
}

/** The fastest cadence; undefined is the server's default, which is also what it counts as among others. */
export function fastest(holders: Iterable<Holder>, defaultCadenceMs: number): number | undefined {
  let fastest = Infinity;
  let defaulted = false;
  for (const { cadenceMs } of holders) {
    if (cadenceMs === undefined) defaulted = true;
    else fastest = Math.min(fastest, cadenceMs);
  }
  return defaulted && fastest >= defaultCadenceMs ? undefined : fastest;
}

/** By name, or because a pattern's answer alone would not bring it back where it was. */
export function isAsked(topic: Topic): boolean {
  if (topic.position !== undefined || topic.repairs > 0) return true;
  for (const holder of topic.holders) if (holder.asked(topic.symbol)) return true;
  return false;
}

/** The longest history that is wished; undefined: the server's default. */
export function longest(holders: Iterable<Holder>): number | undefined {
  let most: number | undefined;
  for (const { history } of holders) if (history !== undefined) most = Math.max(most ?? 0, history);
  return most;
}
