import { PbfReader } from 'pbf';
// @ts-expect-error made by the benchmark of the schema
import { readServerFrame } from 'pbf:feed';
import { type Read, valueOfNumbers } from './measure.js';

/** Quotes come as numbers, which a page then reads row by row. */
export const read: Read = ({ bytes }) => valueOfNumbers(readServerFrame(new PbfReader(bytes)).quotes);
