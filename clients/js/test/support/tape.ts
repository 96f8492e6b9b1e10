import type { TradeEvent } from '../../src/index.js';
import type { World } from './world.js';

/** Events of trades in short: sequences, and ranges of what is missing. */
export const short = (events: readonly TradeEvent[]) =>
  events.map((e) => (e.type === 'trade' ? e.trade.sequence : `${e.type} ${e.from}-${e.to}`));

/** A store of trades and all that it told. */
export function tape(w: World, symbols: string[], options = {}) {
  const events: TradeEvent[] = [];
  const store = w.client.trades(symbols, options);
  store.subscribe((batch) => events.push(...batch));
  return { store, events };
}
