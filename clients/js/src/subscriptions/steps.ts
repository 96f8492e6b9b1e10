/** The requests of a plan, each with what becomes of it. */

import type { Topic } from './topic.js';
import { type Pattern, longest } from './wishes.js';
import type { Request } from '../wire/request.js';

/** A request under way. retry: forget that it was sent. */
export interface Pending {
  /** Of one kind. */
  readonly topics: readonly Topic[];
  readonly pattern: Pattern | undefined;
  readonly cadenceMs: number | undefined;
  retry(): void;
}

export interface Step extends Pending {
  readonly request: Request;
  /** It is on its way. */
  sent(): void;
}

/** A request that no answer is awaited for. */
export const NOTHING = { topics: [], pattern: undefined, cadenceMs: undefined };

/** Subscribes topics of one kind, cadence and history. */
export function ask(topics: readonly Topic[], cadenceMs: number | undefined): Step {
  const { kind, holders } = topics[0]!;
  const { channel } = kind;
  return {
    topics,
    pattern: undefined,
    cadenceMs,
    request: {
      type: 'subscribe',
      symbols: topics.map((t) => t.symbol),
      channels: [channel],
      cadenceMs,
      history: longest(holders),
      ...kind.view,
      resume: topics.flatMap((t) => (t.position === undefined ? [] : [{ symbol: t.symbol, channel, ...t.position }])),
    },
    sent: () => topics.forEach((t) => (t.phase = 'asked')),
    retry: () => topics.forEach((t) => t.phase === 'asked' && (t.phase = 'absent')),
  };
}

export function askPattern(pattern: Pattern, cadenceMs: number | undefined): Step {
  const { kind, holders, text } = pattern;
  return {
    topics: [],
    pattern,
    cadenceMs,
    request: { type: 'subscribe', symbols: [text], channels: [kind.channel], cadenceMs, history: longest(holders), ...kind.view },
    sent: () => {
      pattern.phase = 'asked';
      pattern.wish = cadenceMs;
    },
    retry: () => (pattern.phase = 'absent'),
  };
}

/** Wishes another cadence for topics that the server knows. */
export function move(topics: readonly Topic[], wish: number | undefined, defaultCadenceMs: number): Step {
  return {
    ...NOTHING,
    request: { type: 'setRate', handles: topics.map((t) => t.handle), cadenceMs: wish ?? defaultCadenceMs },
    sent: () => topics.forEach((t) => (t.wish = wish)),
    retry: () => topics.forEach((t) => (t.wish = NaN)), // unknown: different from every wish
  };
}
