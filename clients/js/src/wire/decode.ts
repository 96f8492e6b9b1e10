/** The decoders that clients use, made at first use so that a bundle that reads no frame holds none of them. */

import { type Decoder, makeDecoder } from './frame.js';
import { pictureRows } from './pictures.js';
import { tickRows } from './ticks.js';

let ticks: Decoder | undefined;
let all: Decoder | undefined;

/** Reads a frame with its quotes and trades; other rows are passed over. */
export const decodeTicks: Decoder = (bytes) => (ticks ??= makeDecoder(tickRows()))(bytes);

/** Reads a frame with all its rows. */
export const decodeFrame: Decoder = (bytes) => (all ??= makeDecoder({ ...tickRows(), ...pictureRows() }))(bytes);
