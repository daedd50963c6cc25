// The catalogue that scripts/build compiled: a data module of the worker.

import bytes from "./catalogue.bin";

/** @returns {Uint8Array} */
export function catalogue() {
  return new Uint8Array(bytes);
}
