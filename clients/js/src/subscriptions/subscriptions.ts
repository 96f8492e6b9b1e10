import { FeedError, serverErrorCode } from '../errors.js';
import { Handles } from './handles.js';
import type { InstrumentEntry, Instruments } from './instruments.js';
import { Budget, Limits, groupBy, symbolBytes } from './plan.js';
import { Pace, type Visibility } from './pace.js';
import { NOTHING, type Pending, type Step, ask, askPattern, move } from './steps.js';
import { type Holder, type Kind, type Topic, type View, kindKey, topicKey, viewKey } from './topic.js';
import type { Clock, Grant, GrantReason, SubscribeResult } from '../types.js';
import type { Rows, ServerFrame, WireError, WireGrant, WireResult, WireSubscribed, WireWelcome } from '../wire/frame.js';
import { type Pattern, isAsked, isPattern, longest } from './wishes.js';
import type { Request } from '../wire/request.js';

const grantReasons: readonly GrantReason[] = [
  'wished', 'rounded', 'policy', 'congestion', 'hidden', 'paused', 'default', 'bandwidth', 'lag', 'stopped', 'overload',
];
const RETRY_MS = 1000;
const MAX_REPAIR_MS = 30_000;
/** A subscription that held this long starts over with quick repairs. */
const SOUND_MS = 60_000;

/** What subscriptions need of their surroundings. */
export interface Surroundings {
  readonly clock: Clock;
  readonly instruments: Instruments;
  /** Returns the request's id, or 0 where there is no connection. */
  send(request: Request): number;
  error(e: FeedError): void;
  missed(count: number): void;
  /** An instrument that was known is another now. */
  redefined(entry: InstrumentEntry): void;
}

/**
 * What stores want against what the server knows of. Nothing is sent for a change as such: each plan
 * compares the two, so that changes made together travel together, a change undone costs nothing, and a
 * reconnect is the same plan from an empty start.
 */
export class Subscriptions {
  /** By channel, view and symbol. */
  readonly #topics = new Map<string, Topic>();
  readonly #patterns = new Map<string, Pattern>();
  readonly #pace = new Pace();
  #planned = false;
  #timer: unknown;

  // Of this connection.
  #limits: Limits | undefined;
  readonly #handles = new Handles();
  /** Patterns that nothing more is to join, which the server does not know yet. */
  readonly #parting = new Set<string>();
  readonly #pending = new Map<number, Pending>();
  readonly #budget = new Budget();

  readonly #env: Surroundings;

  constructor(env: Surroundings) {
    this.#env = env;
  }

  // ---- wishes

  hold(kind: Kind, holder: Holder, symbols: readonly string[]): void {
    for (const symbol of symbols) {
      if (isPattern(symbol)) this.#join(this.#pattern(kind, symbol), holder);
      else {
        const topic = this.#topic(kind, symbol);
        holder.adopt(topic);
        if (topic.phase === 'live') holder.answered(symbol, { ok: true });
        if (topic.phase === 'refused') topic.phase = 'absent'; // worth another try
      }
    }
    this.schedule();
  }

  #join(pattern: Pattern, holder: Holder): void {
    pattern.holders.add(holder);
    for (const topic of pattern.matched) {
      holder.adopt(topic);
      if (topic.phase === 'live') holder.answered(topic.symbol, { ok: true });
    }
    if (pattern.phase === 'live') holder.answered(pattern.text, { ok: true });
    if (pattern.phase === 'refused') pattern.phase = 'absent';
  }

  release(holder: Holder, topics: Iterable<Topic>): void {
    for (const topic of topics) topic.holders.delete(holder);
    for (const pattern of this.#patterns.values()) pattern.holders.delete(holder);
    this.schedule();
  }

  setVisibility(visibility: Visibility): void {
    this.#pace.visibility = visibility;
    this.schedule();
  }

  setCeiling(bytesPerSecond: number): void {
    this.#pace.ceiling = bytesPerSecond;
    this.schedule();
  }

  /** Wishes everything so many rungs of the ladder slower than stores do. */
  slowDown(steps: number): void {
    this.#pace.steps = steps;
    this.schedule();
  }

  /** Plans once all that is done now is done. */
  schedule(): void {
    if (this.#planned) return;
    this.#planned = true;
    queueMicrotask(() => {
      this.#planned = false;
      this.#plan();
    });
  }

  // ---- the connection

  welcomed({ limits, cadencesMs }: WireWelcome): void {
    this.#limits = new Limits(limits);
    this.#pace.welcomed(cadencesMs);
    this.#plan();
  }

  down(): void {
    this.#limits = undefined;
    this.#handles.down();
    this.#pace.down();
    this.#parting.clear();
    this.#pending.clear();
    this.#env.clock.clearTimeout(this.#timer);
    for (const topic of this.#topics.values()) {
      topic.unbind();
      this.#drop(topic);
    }
    for (const pattern of this.#patterns.values()) pattern.phase = 'absent';
  }

  /** Whom a row of a list is for. */
  topicOf(handle: number, list: keyof Rows): Topic | undefined {
    const topic = this.holderOf(handle);
    if (topic === undefined || topic.list === list) return topic;
    this.#wrong(`${topic.symbol}: a row in ${list} for a ${topic.kind.channel}`);
    return undefined;
  }

  /** Whose handle it is. */
  holderOf(handle: number): Topic | undefined {
    const topic = this.#handles.get(handle);
    if (topic === undefined && this.#handles.stray(handle)) this.#wrong(`a row for handle ${handle}, which no subscribe was answered with`);
    return topic;
  }

  /** Asks for a topic anew whose base is void; at longer and longer intervals where that does not help. */
  repair(topic: Topic, why: FeedError): void {
    if (topic.repairAt !== undefined) return; // told already
    this.#askAnew(topic);
    this.#env.error(why);
    topic.statusChanged();
  }

  /** Asks for the liveliest topic whose rows say how old they are anew, though nothing seems wrong with it. */
  askAnew(): Topic | undefined {
    let liveliest: Topic | undefined;
    if (this.#pace.visibility !== 'paused') {
      for (const topic of this.#handles.topics())
        if (topic.list !== 'trades' && topic.repairAt === undefined && topic.ingestTimeUs > (liveliest?.ingestTimeUs ?? 0)) liveliest = topic;
    }
    if (liveliest !== undefined) this.#askAnew(liveliest);
    return liveliest;
  }

  #askAnew(topic: Topic): void {
    const now = this.#env.clock.now();
    if (now - topic.repairedAt > SOUND_MS) topic.repairs = 0;
    topic.repairAt = topic.repairs === 0 ? now : now + Math.min(MAX_REPAIR_MS, 1000 * 2 ** (topic.repairs - 1));
    topic.repairs++;
    this.schedule();
  }

  /** The answers in a frame. */
  apply(frame: ServerFrame): void {
    if (frame.limits !== undefined) this.#limits = new Limits(frame.limits);
    const pending = this.#pending.get(frame.replyTo);
    if (!frame.subscribed?.partial) this.#pending.delete(frame.replyTo);
    for (const instrument of [...(frame.subscribed?.instruments ?? []), ...frame.instruments]) {
      const entry = this.#env.instruments.define(instrument);
      if (entry !== undefined) this.#env.redefined(entry);
    }
    if (frame.subscribed !== undefined) this.#subscribed(frame.subscribed, pending);
    for (const grant of frame.grants) this.#granted(grant);
    if (frame.error !== undefined) this.#refused(frame.error, pending);
  }

  #subscribed(answer: WireSubscribed, pending: Pending | undefined): void {
    for (const result of answer.results) {
      if (result.replaces !== 0) {
        this.#replaced(result);
        continue;
      }
      const pattern = pending === undefined ? this.#patternOf(result) : pending.pattern;
      const kind = pattern?.kind ?? pending?.topics[0]?.kind;
      const by = result.by || (pattern !== undefined && result.symbol !== pattern.text ? pattern.text : '');
      if (result.handle === 0) this.#refuse(result.symbol, kind, { ...told(result), ...(by !== '' && { by }) }, pattern);
      else if (pending === undefined && pattern === undefined) this.#unwanted(result);
      else this.#accept(result, kind!, pattern, pattern === undefined ? pending!.cadenceMs : pattern.wish, by);
    }
    if (answer.partial || pending === undefined) return;
    const { pattern } = pending;
    if (pattern?.phase === 'asked') {
      pattern.phase = 'live';
      for (const holder of pattern.holders) holder.answered(pattern.text, { ok: true });
    }
    for (const topic of pending.topics) {
      if (topic.phase === 'asked')
        this.#refuse(topic.symbol, topic.kind, told({ code: 0, text: 'the server gave no answer' }), undefined);
    }
  }

  /** What may be had is another view now, or none at all. */
  #replaced(result: WireResult): void {
    const topic = this.#handles.replaced(result.replaces);
    if (topic === undefined) return; // let go in the meantime
    if (result.handle !== 0) {
      this.#accept(result, topic.kind, undefined, topic.wish, result.by);
      return;
    }
    topic.unbind();
    topic.phase = 'refused';
    topic.statusChanged();
    for (const holder of topic.holders) holder.answered(topic.symbol, told(result));
    this.#drop(topic);
  }

  /** The pattern or list that something has joined. */
  #patternOf(result: WireResult): Pattern | undefined {
    const given = viewKey(viewOf(result));
    for (const pattern of this.#patterns.values()) {
      if (pattern.text === result.by && pattern.kind.channel === result.channel && pattern.given === given && pattern.holders.size > 0)
        return pattern;
    }
    return undefined;
  }

  /** Something joined a pattern that was let go in the meantime, or an answer that nobody asked for. */
  #unwanted(result: WireResult): void {
    if (result.by === '') this.#wrong('the answer to a subscribe that was not sent');
    if (this.#handles.get(result.handle) !== undefined) return;
    this.#handles.letGo(result.handle);
    this.schedule();
  }

  #accept(result: WireResult, kind: Kind, pattern: Pattern | undefined, cadenceMs: number | undefined, by: string): void {
    const entry = this.#env.instruments.bySymbol.get(result.symbol);
    if (result.channel !== kind.channel || entry === undefined) {
      this.#wrong(`${result.symbol}: a handle without ${entry === undefined ? 'its instrument' : 'a channel that was asked for'}`);
      return;
    }
    let topic = this.#topic(kind, result.symbol);
    const other = this.#handles.get(result.handle);
    if (other !== undefined && other !== topic) topic = this.#replace(topic, other);
    // A handle that is live already keeps its base: the server goes on where it was.
    if (topic.handle !== result.handle) {
      topic.unbind();
      topic.handle = result.handle;
      this.#handles.bind(result.handle, topic);
    }
    topic.phase = 'live';
    topic.wish = cadenceMs;
    topic.entry = entry;
    entry.watchers.add(topic);
    if (pattern !== undefined) {
      pattern.matched.add(topic);
      pattern.given = viewKey(viewOf(result));
      if (pattern.phase === 'refused') pattern.phase = 'live'; // it fitted nothing, until now
    }
    for (const holder of pattern?.holders ?? []) if (!topic.holders.has(holder)) holder.adopt(topic);
    for (const holder of topic.holders) holder.answered(result.symbol, by === '' ? { ok: true } : { ok: true, by });
    if (topic.list === undefined) topic.statusChanged(); // what is known of the status already
    this.schedule(); // it may be unwanted by now, or wanted at another cadence
  }

  /** Two views that were wished are one that is given, as where less is allowed than either. Returns the one that stays. */
  #replace(topic: Topic, by: Topic): Topic {
    for (const holder of [...topic.holders]) {
      topic.holders.delete(holder);
      holder.adopt(by);
    }
    topic.unbind();
    this.#drop(topic);
    return by;
  }

  #refuse(symbol: string, kind: Kind | undefined, result: SubscribeResult, pattern: Pattern | undefined): void {
    if (pattern !== undefined) {
      if (symbol === pattern.text) pattern.phase = 'refused';
      for (const holder of pattern.holders) holder.answered(symbol, result);
      return;
    }
    const topic = kind === undefined ? undefined : this.#topics.get(topicKey(kind, symbol));
    if (topic?.phase !== 'asked') return;
    topic.phase = 'refused';
    for (const holder of topic.holders) holder.answered(symbol, result);
    this.#drop(topic);
  }

  #granted(wire: WireGrant): void {
    const reason = grantReasons[wire.reason] ?? 'policy';
    const grant: Grant = { cadenceMs: wire.cadenceMs, delayMs: wire.delayMs, depth: wire.depth, reason };
    if (reason === 'default') this.#pace.defaultCadenceMs = wire.cadenceMs;
    for (const handle of wire.handles) {
      const topic = this.#handles.get(handle);
      if (topic === undefined) continue; // let go in the meantime
      topic.grant = grant;
      for (const holder of topic.holders) holder.granted();
    }
  }

  #refused(error: WireError, pending: Pending | undefined): void {
    const code = serverErrorCode(error.code);
    const again = code === 'too-many-requests';
    this.#env.error(new FeedError(code, error.text, again));
    if (pending === undefined) return;
    if (again) {
      pending.retry();
      this.#later(RETRY_MS);
      return;
    }
    if (pending.pattern !== undefined) this.#refuse(pending.pattern.text, undefined, told(error), pending.pattern);
    for (const topic of pending.topics) this.#refuse(topic.symbol, topic.kind, told(error), undefined);
  }

  // ---- planning

  /** Sends what is missing between what is wanted and what the server knows, as far as it allows now. */
  #plan(): void {
    const limits = this.#limits;
    const env = this.#env;
    for (const topic of this.#topics.values()) this.#drop(topic);
    for (const [key, pattern] of this.#patterns) {
      if (pattern.holders.size > 0 || pattern.phase === 'asked') continue;
      this.#patterns.delete(key);
      if (pattern.phase !== 'absent') this.#parting.add(pattern.text);
    }
    if (limits === undefined) return;
    const now = env.clock.now();
    for (const { request, sent, ...pending } of this.#wanted(limits, now)) {
      const wait = this.#budget.take(limits.requestsPerSecond, now);
      if (wait > 0) {
        this.#later(wait);
        return;
      }
      const id = env.send(request);
      if (id === 0) return; // the connection is ending; the next starts from nothing
      sent();
      this.#pending.set(id, pending);
    }
    let next = Infinity;
    for (const topic of this.#topics.values()) next = Math.min(next, topic.repairAt ?? Infinity);
    if (next < Infinity) this.#later(next - now);
  }

  *#wanted(limits: Limits, now: number): Generator<Step> {
    yield* this.#pace.wanted();
    for (const topic of this.#handles.topics()) {
      const repair = topic.repairAt !== undefined && topic.repairAt <= now;
      if (topic.holders.size === 0 || repair) this.#unbind(topic, repair);
    }
    // The server knows patterns by their text alone: one that another channel still wants stays. What joins it in vain is let go.
    for (const { text } of this.#patterns.values()) this.#parting.delete(text);
    for (const patterns of limits.chunks([...this.#parting], (text) => symbolBytes(text, false))) {
      yield {
        ...NOTHING,
        request: { type: 'unsubscribe', handles: [], patterns },
        sent: () => patterns.forEach((p) => this.#parting.delete(p)),
        retry: () => patterns.forEach((p) => this.#parting.add(p)),
      };
    }
    yield* this.#handles.wanted(limits);
    const absent = [...this.#topics.values()].filter((t) => t.phase === 'absent' && isAsked(t));
    for (const group of groupBy(absent, (t) => `${kindKey(t.kind)} ${this.#pace.cadence(t.holders)} ${longest(t.holders)}`)) {
      for (const topics of limits.chunks(group, (t) => symbolBytes(t.symbol, t.position !== undefined))) yield ask(topics, this.#pace.cadence(topics[0]!.holders));
    }
    for (const pattern of this.#patterns.values()) if (pattern.phase === 'absent') yield askPattern(pattern, this.#pace.cadence(pattern.holders));
    const moving = this.#handles.topics().filter((t) => this.#pace.cadence(t.holders) !== t.wish);
    for (const group of groupBy(moving, (t) => `${this.#pace.cadence(t.holders)}`)) {
      for (const topics of limits.handleChunks(group)) yield move(topics, this.#pace.cadence(topics[0]!.holders), this.#pace.defaultCadenceMs);
    }
  }

  // ---- small parts

  #topic(kind: Kind, symbol: string): Topic {
    const key = topicKey(kind, symbol);
    let topic = this.#topics.get(key);
    if (topic === undefined) {
      topic = kind.make(symbol);
      topic.report = this.#env.missed;
      this.#topics.set(key, topic);
    }
    return topic;
  }

  #pattern(kind: Kind, text: string): Pattern {
    const key = topicKey(kind, text);
    let pattern = this.#patterns.get(key);
    if (pattern === undefined) {
      pattern = { kind, text, holders: new Set(), matched: new Set(), phase: 'absent', wish: undefined, given: viewKey(kind.view) };
      this.#patterns.set(key, pattern);
    }
    return pattern;
  }

  /** Forgets a topic that nobody holds and that the server knows nothing of. */
  #drop(topic: Topic): void {
    if (topic.holders.size > 0 || topic.phase === 'asked' || topic.phase === 'live') return;
    topic.entry?.watchers.delete(topic);
    const key = topicKey(topic.kind, topic.symbol);
    if (this.#topics.get(key) === topic) this.#topics.delete(key);
    for (const pattern of this.#patterns.values()) pattern.matched.delete(topic);
  }

  #unbind(topic: Topic, repair: boolean): void {
    this.#handles.letGo(topic.handle);
    topic.unbind();
    if (repair) {
      topic.repairedAt = this.#env.clock.now();
      topic.repairAt = undefined;
    }
    this.#drop(topic);
  }

  /** The server broke a rule. */
  #wrong(text: string): void {
    this.#env.error(new FeedError('protocol', text, true));
  }

  #later(ms: number): void {
    this.#env.clock.clearTimeout(this.#timer);
    this.#timer = this.#env.clock.setTimeout(() => this.#plan(), ms);
  }
}

/** The view that a result says is given. */
function viewOf(result: WireResult): View {
  return { depth: result.depth, priceGroup: result.priceGroup, barSeconds: result.barSeconds, summary: result.tradeSummary };
}

function told(error: WireError): SubscribeResult {
  return { ok: false, code: serverErrorCode(error.code), text: error.text };
}
