// The catalogue, as scripts/build compiled it: a module of data beside the worker's own.

import bytes from "./catalogue.bin";

/** @returns {Uint8Array} */
export function catalogue() {
  return new Uint8Array(bytes);
}
