/** What is known of instruments and their sources apart from prices. */

import type { Instrument, InstrumentStatus, Quality, SourceEvent, Stream, Trading } from '../types.js';
import type { WireInstrument, WireSourceStatus, WireStatus } from '../wire/frame.js';

// By their numbers on the wire; what a newer server adds is unknown.
const streams: readonly Stream[] = ['unknown', 'open', 'closed', 'closed-retry'];
const qualities: readonly Quality[] = ['unknown', 'ok', 'suspect', 'syncing'];
const tradings: readonly Trading[] = ['unknown', 'open', 'halted', 'auction', 'pre-open', 'closed'];

// From what says least to what says worst.
const streamRank: readonly Stream[] = ['unknown', 'open', 'closed-retry', 'closed'];
const qualityRank: readonly Quality[] = ['unknown', 'ok', 'syncing', 'suspect'];

/** How servers begin a reason that speaks of the book alone. */
export const BOOK_REASON = 'book: ';

/** One instrument with its status, which is the worse of its own and its source's. */
export class InstrumentEntry {
  status: InstrumentStatus;
  own: Omit<SourceEvent, 'source'> & { trading: Trading; sinceUs: number } = {
    stream: 'unknown',
    quality: 'unknown',
    trading: 'unknown',
    reason: '',
    sinceUs: 0,
  };

  /** Whom a change concerns. */
  readonly watchers = new Set<{ statusChanged(): void }>();
  /** What its source says of itself. */
  source: SourceEvent | undefined;
  /** A status of its own arrived. */
  told = false;

  constructor(public instrument: Instrument) {
    this.status = { symbol: instrument.symbol, ...this.own };
  }

  /** Nothing is wrong but a hole in the book, which the server is mending. */
  get bookOnly(): boolean {
    return this.status.quality === 'syncing' && this.status.reason.startsWith(BOOK_REASON);
  }

  /** Brings status up to date and reports whether it changed. */
  combine(source: SourceEvent | undefined): boolean {
    this.source = source;
    const { own } = this;
    const status: { -readonly [K in keyof InstrumentStatus]: InstrumentStatus[K] } = {
      symbol: this.instrument.symbol,
      ...own,
      quality: worse(qualityRank, own.quality, source?.quality),
      stream: worse(streamRank, own.stream, source?.stream),
    };
    if (status.quality !== own.quality) status.reason = source!.reason;
    if (same(this.status, status)) return false;
    this.status = status;
    return true;
  }
}

export class Instruments {
  readonly bySymbol = new Map<string, InstrumentEntry>();
  /** Of this connection. */
  readonly #byStatusHandle = new Map<number, InstrumentEntry>();
  readonly #sources = new Map<string, SourceEvent>();

  /** Handles mean nothing on the next connection. */
  down(): void {
    this.#byStatusHandle.clear();
  }

  /** Returns the instrument where one that was known is another now. */
  define(wire: WireInstrument): InstrumentEntry | undefined {
    const { statusHandle, ...instrument } = wire;
    let entry = this.bySymbol.get(wire.symbol);
    const known = entry?.instrument;
    if (entry === undefined) {
      entry = new InstrumentEntry(instrument);
      this.bySymbol.set(wire.symbol, entry);
    } else if (!same(entry.instrument, instrument)) entry.instrument = instrument;
    if (statusHandle !== 0) this.#byStatusHandle.set(statusHandle, entry);
    entry.combine(this.#sources.get(instrument.source));
    return known !== undefined && known !== entry.instrument ? entry : undefined;
  }

  /** The instrument whose status is another now. */
  applyStatus(wire: WireStatus): InstrumentEntry | undefined {
    const entry = this.#byStatusHandle.get(wire.handle);
    if (entry === undefined) return undefined;
    entry.told = true;
    entry.own = {
      stream: streams[wire.stream] ?? 'unknown',
      quality: qualities[wire.quality] ?? 'unknown',
      trading: tradings[wire.trading] ?? 'unknown',
      reason: wire.reason,
      sinceUs: wire.sinceUs,
    };
    return entry.combine(this.#sources.get(entry.instrument.source)) ? entry : undefined;
  }

  /** The source's status, its instruments, and those of them whose own is another by it. */
  applySource(wire: WireSourceStatus): { source: SourceEvent; all: InstrumentEntry[]; changed: InstrumentEntry[] } {
    const source: SourceEvent = {
      source: wire.source,
      stream: streams[wire.stream] ?? 'unknown',
      quality: qualities[wire.quality] ?? 'unknown',
      reason: wire.reason,
    };
    this.#sources.set(wire.source, source);
    const all = [...this.bySymbol.values()].filter((entry) => entry.instrument.source === wire.source);
    return { source, all, changed: all.filter((entry) => entry.combine(source)) };
  }
}

function worse<S>(rank: readonly S[], own: S, other: S | undefined): S {
  return other !== undefined && rank.indexOf(other) > rank.indexOf(own) ? other : own;
}

function same<T extends object>(a: T, b: T): boolean {
  for (const name of Object.keys(b) as Array<keyof T>) if (a[name] !== b[name]) return false;
  return true;
}
