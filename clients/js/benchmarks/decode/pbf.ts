import { PbfReader } from 'pbf';
// @ts-expect-error made by the benchmark of the schema
import { readServerFrame } from 'pbf:feed';
import { type Read, value } from './measure.js';

/** pbf names fields as the schema does. */
export const read: Read = ({ bytes }) => {
  let sum = 0;
  for (const q of readServerFrame(new PbfReader(bytes)).quotes) sum += value({ handle: q.handle, bid: q.bid, bidSize: q.bid_size, ask: q.ask, askSize: q.ask_size, ageMs: q.age_ms });
  return sum;
};
