import type { Core } from '../client.js';
import { FeedError } from '../errors.js';
import { Flow } from '../link/flow.js';
import type { Applied } from '../stores/rows.js';
import { type FeedFrame, type Rows, type ServerFrame, type WireWelcome, feedFields } from '../wire/frame.js';
import { type InstrumentEntry, Instruments } from './instruments.js';
import { Subscriptions } from './subscriptions.js';
import type { Kind, Topic } from './topic.js';

/** The feed of a client. It comes with the first store, so that a bundle without stores does without it. */
export function feedOf(core: Core): Feed {
  return core.feed ?? new Feed(core);
}

/** What frames bring besides answers to the connection: instruments, statuses, and rows for those who subscribed them. */
export class Feed {
  readonly instruments = new Instruments();
  readonly subscriptions: Subscriptions;
  readonly #core: Core;
  readonly #lists: Array<keyof Rows> = [];
  #dirtyStores = new Set<{ flush(): void }>();
  #newStatuses = new Set<InstrumentEntry>();

  // Of one connection.
  #flow: Flow | undefined;
  /** A topic that was asked anew only to see whether rows are held back. */
  #suspect: Topic | undefined;

  constructor(core: Core) {
    this.#core = core;
    this.subscriptions = new Subscriptions({
      clock: core.clock,
      instruments: this.instruments,
      send: (request) => core.send(request),
      error: (e) => core.tell('error', e),
      missed: (count) => void (core.counted.lost += count),
      redefined: (entry) => {
        core.tell('instrument', entry.instrument);
        touched(entry);
      },
    });
    core.reads(feedFields());
    core.attach(this);
  }

  /** A store of a kind begins. */
  begin({ rows }: Kind): void {
    const lists = rows?.() ?? {};
    for (const list of Object.keys(lists) as Array<keyof Rows>) if (!this.#lists.includes(list)) this.#lists.push(list);
    this.#core.reads(lists);
    if (this.#core.state === 'idle') this.#core.connect();
  }

  /** Calls the store's flush() when the frame, or the running code, is done. */
  dirty(store: { flush(): void }): void {
    this.#dirtyStores.add(store);
    this.#core.planFlush();
  }

  // ---- for the client

  welcomed(welcome: WireWelcome): void {
    this.#flow = new Flow(this.#core.clock.now(), this.#core.random());
    this.subscriptions.welcomed(welcome);
  }

  down(): void {
    this.#flow = this.#suspect = undefined;
    this.subscriptions.down();
    this.instruments.down();
  }

  /** The connection was looked at, and is sound. Returns what is wrong with its rows, if anything is. */
  checked(now: number): FeedError | undefined {
    const flow = this.#flow;
    if (flow?.overdue(now) !== true) return undefined;
    if (this.#suspect?.phase === 'live') return stalled(); // it had a row before, and gets none
    flow.asked(now);
    this.#suspect = this.subscriptions.askAnew();
    return undefined;
  }

  flush(): void {
    const newStatuses = this.#newStatuses;
    const dirtyStores = this.#dirtyStores;
    this.#newStatuses = new Set();
    this.#dirtyStores = new Set();
    for (const entry of newStatuses) this.#core.tell('status', entry.status);
    for (const store of dirtyStores) store.flush();
  }

  /** Returns what is wrong with the connection that brought the frame, if anything is. */
  apply(frame: ServerFrame): FeedError | undefined {
    this.#core.counted.conflated += frame.conflated;
    this.subscriptions.apply(frame);
    this.#applyStatuses(frame);
    return this.#applyRows(frame) ? stalled() : undefined;
  }

  #applyStatuses(frame: FeedFrame): void {
    for (const wire of frame.sourceStatuses) {
      const { source, all, changed } = this.instruments.applySource(wire);
      this.#core.tell('source', source);
      for (const entry of changed) this.#newStatuses.add(entry);
      all.forEach(touched);
    }
    for (const wire of frame.statuses) {
      const entry = this.instruments.applyStatus(wire);
      if (entry === undefined) continue;
      this.#newStatuses.add(entry);
      touched(entry);
    }
  }

  /** Returns whether a row shows that others were held back. */
  #applyRows(frame: FeedFrame): boolean {
    const { losses, gaps, cutTimeUs, conflated } = frame;
    const { subscriptions } = this;
    const at = { cutTimeUs, receivedMs: this.#core.clock.now() };
    const serverNow = this.#core.serverNow();
    for (const hole of losses) subscriptions.holderOf(hole.handle)?.hole('lost', hole);
    for (const hole of gaps) subscriptions.holderOf(hole.handle)?.hole('gap', hole);
    let rows = 0;
    let states = 0;
    let asked = false;
    let betrayed = false;
    for (const list of this.#lists) {
      const { length } = frame[list]!;
      rows += length;
      if (list !== 'trades') states += length;
    }
    for (const list of this.#lists) {
      const share = list === 'trades' ? 0 : conflated / states;
      for (const wire of frame[list]!) {
        const topic = subscriptions.topicOf(wire.handle, list);
        if (topic === undefined) continue;
        this.#check(topic, topic.apply(wire, at));
        topic.took(share, Math.max(0, serverNow - topic.ingestTimeUs / 1000));
        if (topic !== this.#suspect) continue;
        this.#suspect = undefined;
        asked = true;
        betrayed = this.#flow?.answered(topic.ingestTimeUs, cutTimeUs) === true;
      }
    }
    for (const hole of [...losses, ...gaps]) subscriptions.holderOf(hole.handle)?.settle();
    this.#core.counted.rows += rows;
    if (rows > 0 && !asked) this.#flow?.rows(at.receivedMs, cutTimeUs);
    return betrayed;
  }

  #check(topic: Topic, applied: Applied): void {
    if (applied === 'ok') return;
    if (applied === 'mismatch') this.#core.counted.mismatches++;
    this.subscriptions.repair(topic, fault(topic, applied));
  }
}

function touched(entry: InstrumentEntry): void {
  for (const topic of entry.watchers) topic.statusChanged();
}

function stalled(): FeedError {
  return new FeedError('stalled', 'rows stopped although the market moves', true);
}

/** Why a subscription is asked anew. */
function fault({ symbol, kind }: Topic, applied: Exclude<Applied, 'ok'>): FeedError {
  switch (applied) {
    case 'no-base':
      return new FeedError('protocol', `${symbol}: a difference without a full row before it`, true);
    case 'unsafe':
      return new FeedError('unsafe-integer', `${symbol}: a ${kind.channel} with a number beyond 2^53, which JavaScript cannot hold exactly`, true);
    case 'mismatch':
      return new FeedError('checksum', `${symbol}: the book is not the one that the server has; it is asked anew`, true);
  }
}
