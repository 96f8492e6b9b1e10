import { FeedError, serverErrorCode } from './errors.js';
import type { Instruments } from './instruments.js';
import { Budget, Limits, groupBy, symbolBytes } from './plan.js';
import { type Channel, type Holder, QuoteTopic, type Topic, TradeTopic } from './topics.js';
import type { Clock, Grant, GrantReason } from './types.js';
import type { ServerFrame, WireError, WireGrant, WireLimits, WireResult, WireSubscribed } from './wire/frame.js';
import { type Pattern, fastest, isAsked, longest } from './wishes.js';
import type { Request, visibilities } from './wire/request.js';

type Visibility = keyof typeof visibilities;

const grantReasons: readonly GrantReason[] = ['wished', 'rounded', 'policy', 'congestion', 'hidden', 'paused', 'default'];
/** The server's default until it has told: see Grant with reason default. */
const DEFAULT_CADENCE_MS = 250;
const RETRY_MS = 1000;
const MAX_REPAIR_MS = 30_000;
/** A subscription that held this long starts over with quick repairs. */
const SOUND_MS = 60_000;

/** A request under way. retry: forget that it was sent. */
interface Pending {
  readonly topics: readonly Topic<any>[];
  readonly pattern: Pattern | undefined;
  readonly cadenceMs: number | undefined;
  retry(): void;
}

/** What subscriptions need of their surroundings. */
export interface Surroundings {
  readonly clock: Clock;
  readonly instruments: Instruments;
  /** Returns the request's id, or 0 where there is no connection. */
  send(request: Request): number;
  error(e: FeedError): void;
  missed(count: number): void;
}

/**
 * What stores want against what the server knows of. Nothing is sent for a change as such: each plan
 * compares the two, so that changes made together travel together, a change undone costs nothing, and a
 * reconnect is the same plan from an empty start.
 */
export class Subscriptions {
  readonly quotes = new Map<string, QuoteTopic>();
  readonly trades = new Map<string, TradeTopic>();
  private readonly patterns = new Map<string, Pattern>();
  private visibility: Visibility = 'shown';
  private defaultCadenceMs = DEFAULT_CADENCE_MS;
  private planned = false;
  private timer: unknown;

  // Of this connection.
  private limits: Limits | undefined;
  private readonly byHandle = new Map<number, Topic<any>>();
  /** Let go, or never known; either way rows that still come mean nothing. */
  private readonly strays = new Set<number>();
  /** Let go here but not yet there. */
  private readonly leaving = new Set<number>();
  private readonly pending = new Map<number, Pending>();
  /** undefined: not known, after a refusal. */
  private toldVisibility: Visibility | undefined = 'shown';
  private readonly budget = new Budget();

  constructor(private readonly env: Surroundings) {}

  // ---- wishes

  hold(channel: Channel, holder: Holder, symbols: readonly string[]): void {
    for (const symbol of symbols) {
      if (symbol.includes('*')) this.join(this.pattern(channel, symbol), holder);
      else {
        const topic = this.topic(channel, symbol);
        holder.adopt(topic);
        if (topic.phase === 'live') holder.answered(symbol, { ok: true });
        if (topic.phase === 'refused') topic.phase = 'absent'; // worth another try
      }
    }
    this.schedule();
  }

  private join(pattern: Pattern, holder: Holder): void {
    pattern.holders.add(holder);
    for (const topic of pattern.matched) {
      holder.adopt(topic);
      if (topic.phase === 'live') holder.answered(topic.symbol, { ok: true });
    }
    if (pattern.phase === 'live') holder.answered(pattern.text, { ok: true });
    if (pattern.phase === 'refused') pattern.phase = 'absent';
  }

  release(holder: Holder, topics: Iterable<Topic<any>>): void {
    for (const topic of topics) topic.holders.delete(holder);
    for (const pattern of this.patterns.values()) pattern.holders.delete(holder);
    this.schedule();
  }

  setVisibility(visibility: Visibility): void {
    this.visibility = visibility;
    this.schedule();
  }

  /** Plans once all that is done now is done. */
  schedule(): void {
    if (this.planned) return;
    this.planned = true;
    queueMicrotask(() => {
      this.planned = false;
      this.plan();
    });
  }

  // ---- the connection

  welcomed(limits: WireLimits): void {
    this.limits = new Limits(limits);
    this.plan();
  }

  down(): void {
    this.limits = undefined;
    this.byHandle.clear();
    this.strays.clear();
    this.leaving.clear();
    this.pending.clear();
    this.toldVisibility = 'shown';
    this.env.clock.clearTimeout(this.timer);
    for (const topic of this.topics()) {
      topic.unbind();
      this.drop(topic);
    }
    for (const pattern of this.patterns.values()) pattern.phase = 'absent';
  }

  quoteOf(handle: number): QuoteTopic | undefined {
    const topic = this.byHandle.get(handle);
    return topic instanceof QuoteTopic ? topic : this.stray(handle);
  }

  tradesOf(handle: number): TradeTopic | undefined {
    const topic = this.byHandle.get(handle);
    return topic instanceof TradeTopic ? topic : this.stray(handle);
  }

  /** Asks for a topic anew whose base is void; at longer and longer intervals where that does not help. */
  repair(topic: Topic<any>, why: FeedError): void {
    if (topic.repairAt !== undefined) return; // told already
    const now = this.env.clock.now();
    if (now - topic.repairedAt > SOUND_MS) topic.repairs = 0;
    topic.repairAt = topic.repairs === 0 ? now : now + Math.min(MAX_REPAIR_MS, 1000 * 2 ** (topic.repairs - 1));
    topic.repairs++;
    this.env.error(why);
    if (topic instanceof QuoteTopic) topic.statusChanged();
    this.schedule();
  }

  /** The answers in a frame. */
  apply(frame: ServerFrame): void {
    const pending = this.pending.get(frame.replyTo);
    if (!frame.subscribed?.partial) this.pending.delete(frame.replyTo);
    for (const instrument of frame.subscribed?.instruments ?? []) this.env.instruments.define(instrument);
    for (const instrument of frame.instruments) this.env.instruments.define(instrument);
    if (frame.subscribed !== undefined) this.subscribed(frame.subscribed, pending);
    for (const grant of frame.grants) this.granted(grant);
    if (frame.error !== undefined) this.refused(frame.error, pending);
  }

  private subscribed(answer: WireSubscribed, pending: Pending | undefined): void {
    if (pending === undefined) {
      this.env.error(new FeedError('protocol', 'the answer to a subscribe that was not sent', true));
      return;
    }
    for (const result of answer.results) {
      if (result.handle !== 0) this.accept(result, pending);
      else this.refuse(result.symbol, result.channel, { code: result.code, text: result.text }, pending.pattern);
    }
    if (answer.partial) return;
    const { pattern } = pending;
    if (pattern?.phase === 'asked') {
      pattern.phase = 'live';
      for (const holder of pattern.holders) holder.answered(pattern.text, { ok: true });
    }
    for (const topic of pending.topics) {
      if (topic.phase === 'asked')
        this.refuse(topic.symbol, topic.channel, { code: 0, text: 'the server gave no answer' }, undefined);
    }
  }

  private accept(result: WireResult, pending: Pending): void {
    const { pattern } = pending;
    const entry = this.env.instruments.get(result.symbol);
    if ((result.channel !== 'quote' && result.channel !== 'trade') || entry === undefined) {
      this.env.error(
        new FeedError(
          'protocol',
          `${result.symbol}: a handle without ${entry === undefined ? 'its instrument' : 'a channel that was asked for'}`,
          true,
        ),
      );
      return;
    }
    const topic = this.topic(result.channel, result.symbol);
    // A handle that is live already keeps its base: the server goes on where it was.
    if (topic.handle !== result.handle) {
      topic.unbind();
      topic.handle = result.handle;
      this.byHandle.set(result.handle, topic);
    }
    topic.phase = 'live';
    topic.wish = pending.cadenceMs;
    topic.entry = entry;
    pattern?.matched.add(topic);
    for (const holder of pattern?.holders ?? []) if (!topic.holders.has(holder)) holder.adopt(topic);
    for (const holder of topic.holders) holder.answered(result.symbol, { ok: true });
    this.schedule(); // it may be unwanted by now, or wanted at another cadence
  }

  private refuse(symbol: string, channel: string, error: WireError, pattern: Pattern | undefined): void {
    const result = { ok: false, code: serverErrorCode(error.code), text: error.text };
    if (pattern !== undefined) {
      if (symbol === pattern.text) pattern.phase = 'refused';
      for (const holder of pattern.holders) holder.answered(symbol, result);
      return;
    }
    const topic = (channel === 'trade' ? this.trades : this.quotes).get(symbol);
    if (topic?.phase !== 'asked') return;
    topic.phase = 'refused';
    for (const holder of topic.holders) holder.answered(symbol, result);
    this.drop(topic);
  }

  private granted(wire: WireGrant): void {
    const reason = grantReasons[wire.reason] ?? 'policy';
    const grant: Grant = { cadenceMs: wire.cadenceMs, delayMs: wire.delayMs, reason };
    if (reason === 'default') this.defaultCadenceMs = wire.cadenceMs;
    for (const handle of wire.handles) {
      const topic = this.byHandle.get(handle);
      if (topic === undefined) continue; // let go in the meantime
      topic.grant = grant;
      for (const holder of topic.holders) holder.granted();
    }
  }

  private refused(error: WireError, pending: Pending | undefined): void {
    const code = serverErrorCode(error.code);
    const again = code === 'too-many-requests';
    this.env.error(new FeedError(code, error.text, again));
    if (pending === undefined) return;
    if (again) {
      pending.retry();
      this.later(RETRY_MS);
      return;
    }
    if (pending.pattern !== undefined) this.refuse(pending.pattern.text, pending.pattern.channel, error, pending.pattern);
    for (const topic of pending.topics) this.refuse(topic.symbol, topic.channel, error, undefined);
  }

  // ---- planning

  /** Sends what is missing between what is wanted and what the server knows, as far as it allows now. */
  private plan(): void {
    const { limits, env } = this;
    for (const topic of this.topics()) this.drop(topic);
    for (const [key, pattern] of this.patterns)
      if (pattern.holders.size === 0 && pattern.phase !== 'asked') this.patterns.delete(key);
    if (limits === undefined) return;
    const now = env.clock.now();
    for (const { request, sent, ...pending } of this.wanted(limits, now)) {
      const wait = this.budget.take(limits.requestsPerSecond, now);
      if (wait > 0) {
        this.later(wait);
        return;
      }
      const id = env.send(request);
      if (id === 0) return; // the connection is ending; the next starts from nothing
      sent();
      this.pending.set(id, pending);
    }
    let next = Infinity;
    for (const topic of this.topics()) next = Math.min(next, topic.repairAt ?? Infinity);
    if (next < Infinity) this.later(next - now);
  }

  private *wanted(limits: Limits, now: number): Generator<Pending & { request: Request; sent(): void }> {
    const nothing = { topics: [], pattern: undefined, cadenceMs: undefined };
    if (this.visibility !== this.toldVisibility) {
      const told = this.visibility;
      yield {
        ...nothing,
        request: { type: 'setRate', handles: [], visibility: told },
        sent: () => void (this.toldVisibility = told),
        retry: () => void (this.toldVisibility = undefined),
      };
    }
    for (const topic of [...this.byHandle.values()]) {
      const repair = topic.repairAt !== undefined && topic.repairAt <= now;
      if (topic.holders.size === 0 || repair) this.unbind(topic, repair);
    }
    for (const handles of limits.handleChunks([...this.leaving])) {
      yield {
        ...nothing,
        request: { type: 'unsubscribe', handles },
        sent: () => handles.forEach((h) => this.leaving.delete(h)),
        retry: () => handles.forEach((h) => this.byHandle.has(h) || this.leaving.add(h)),
      };
    }
    const absent = [...this.topics()].filter((t) => t.phase === 'absent' && isAsked(t));
    for (const group of groupBy(absent, (t) => `${t.channel} ${this.cadence(t)} ${longest(t.holders)}`)) {
      for (const topics of limits.chunks(group, (t) => symbolBytes(t.symbol, t.position !== undefined))) yield this.ask(topics);
    }
    for (const pattern of this.patterns.values()) if (pattern.phase === 'absent') yield this.askPattern(pattern);
    const moving = [...this.byHandle.values()].filter((t) => this.cadence(t) !== t.wish);
    for (const group of groupBy(moving, (t) => `${this.cadence(t)}`)) {
      for (const topics of limits.handleChunks(group)) yield this.move(topics);
    }
  }

  private ask(topics: Topic<any>[]): Pending & { request: Request; sent(): void } {
    const { channel } = topics[0]!;
    const cadenceMs = this.cadence(topics[0]!);
    return {
      topics,
      pattern: undefined,
      cadenceMs,
      request: {
        type: 'subscribe',
        symbols: topics.map((t) => t.symbol),
        channels: [channel],
        cadenceMs,
        history: longest(topics[0]!.holders),
        resume: topics.flatMap((t) => (t.position === undefined ? [] : [{ symbol: t.symbol, channel, ...t.position }])),
      },
      sent: () => topics.forEach((t) => (t.phase = 'asked')),
      retry: () => topics.forEach((t) => t.phase === 'asked' && (t.phase = 'absent')),
    };
  }

  private askPattern(pattern: Pattern): Pending & { request: Request; sent(): void } {
    const cadenceMs = fastest(pattern.holders, this.defaultCadenceMs);
    return {
      topics: [],
      pattern,
      cadenceMs,
      request: {
        type: 'subscribe',
        symbols: [pattern.text],
        channels: [pattern.channel],
        cadenceMs,
        history: longest(pattern.holders),
      },
      sent: () => (pattern.phase = 'asked'),
      retry: () => (pattern.phase = 'absent'),
    };
  }

  private move(topics: Topic<any>[]): Pending & { request: Request; sent(): void } {
    const wish = this.cadence(topics[0]!);
    return {
      topics: [],
      pattern: undefined,
      cadenceMs: wish,
      request: { type: 'setRate', handles: topics.map((t) => t.handle), cadenceMs: wish ?? this.defaultCadenceMs },
      sent: () => topics.forEach((t) => (t.wish = wish)),
      retry: () => topics.forEach((t) => (t.wish = NaN)), // unknown: different from every wish
    };
  }

  private cadence(topic: Topic<any>): number | undefined {
    return fastest(topic.holders, this.defaultCadenceMs);
  }

  // ---- small parts

  private *topics(): Generator<Topic<any>> {
    yield* this.quotes.values();
    yield* this.trades.values();
  }

  private topic(channel: Channel, symbol: string): Topic<any> {
    let topic: Topic<any> | undefined = channel === 'quote' ? this.quotes.get(symbol) : this.trades.get(symbol);
    if (topic !== undefined) return topic;
    if (channel === 'quote') this.quotes.set(symbol, (topic = new QuoteTopic(symbol)));
    else this.trades.set(symbol, (topic = new TradeTopic(symbol, this.env.missed)));
    return topic;
  }

  private pattern(channel: Channel, text: string): Pattern {
    const key = `${channel} ${text}`;
    let pattern = this.patterns.get(key);
    if (pattern === undefined)
      this.patterns.set(key, (pattern = { channel, text, holders: new Set(), matched: new Set(), phase: 'absent' }));
    return pattern;
  }

  /** Forgets a topic that nobody holds and that the server knows nothing of. */
  private drop(topic: Topic<any>): void {
    if (topic.holders.size > 0 || topic.phase === 'asked' || topic.phase === 'live') return;
    (topic.channel === 'quote' ? this.quotes : this.trades).delete(topic.symbol);
  }

  private unbind(topic: Topic<any>, repair: boolean): void {
    this.byHandle.delete(topic.handle);
    this.strays.add(topic.handle);
    this.leaving.add(topic.handle);
    topic.unbind();
    if (repair) {
      topic.repairedAt = this.env.clock.now();
      topic.repairAt = undefined;
    }
    this.drop(topic);
  }

  private stray(handle: number): undefined {
    if (this.strays.has(handle)) return undefined;
    this.strays.add(handle);
    this.env.error(new FeedError('protocol', `a row for handle ${handle}, which no subscribe was answered with`, true));
    return undefined;
  }

  private later(ms: number): void {
    this.env.clock.clearTimeout(this.timer);
    this.timer = this.env.clock.setTimeout(() => this.plan(), ms);
  }
}
