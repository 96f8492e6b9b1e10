import { FrameReader, type ServerFrame, feedFields } from '../../src/wire/frame.js';
import { barRows, bookRows, statsRows, summaryRows } from '../../src/wire/pictures.js';
import { quoteRows, tradeRows } from '../../src/wire/ticks.js';

const ticks = new FrameReader();
ticks.learn(feedFields());
for (const rows of [quoteRows, tradeRows]) ticks.learn(rows());
const all = new FrameReader();
all.learn(feedFields());
for (const rows of [quoteRows, tradeRows, bookRows, barRows, statsRows, summaryRows]) all.learn(rows());

/** Frames as a client of quotes and trades reads them. */
export const decodeTicks = (bytes: Uint8Array) => ticks.read(bytes) as ServerFrame;
/** Frames as a client of all channels does. */
export const decodeFrame = (bytes: Uint8Array) => all.read(bytes) as ServerFrame;
