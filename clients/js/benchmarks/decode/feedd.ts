import { FrameReader, type ServerFrame, feedFields } from '../../src/wire/frame.js';
import { quoteRows } from '../../src/wire/ticks.js';
import { type Read, value } from './measure.js';

const reader = new FrameReader();
reader.learn(feedFields());
reader.learn(quoteRows());

export const read: Read = ({ bytes }) => {
  let sum = 0;
  for (const q of (reader.read(bytes) as ServerFrame).quotes!) sum += value(q);
  return sum;
};
