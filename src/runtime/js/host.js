// What the Wasm asks of JavaScript: it awaits here, and decides in Rust. Each operation ends with one call of `resume`.
// Wasm's memory may grow and move after a method has returned, so bytes that are used later are copied.

import { exchange } from "./http_call.js";

/**
 * @typedef {[status: number, number: number, bytes: Uint8Array]} Completion of an operation
 * @typedef {(operation: number, ...completion: Completion) => void} Resume
 * @typedef {{ resolve(value: any): void, waitUntil(work: Promise<unknown>): void }} Caller the promise of a request or of an object's method
 * @typedef {number | Uint8Array | { error: Uint8Array }} ObjectAnswer
 * @typedef {{ call(method: string, body: Uint8Array): Promise<ObjectAnswer> }} ObjectStub
 * @typedef {{ idFromName(name: string): unknown, get(id: unknown, options?: { locationHint: string }): ObjectStub, jurisdiction(name: string): Namespace }} Namespace
 */

const EMPTY = new Uint8Array(0);
/** @type {Completion} */
const NOTHING = [0, 0, EMPTY];
const encoder = new TextEncoder();

/** The most bytes that are read of a body that is too large. A client that sends more sees a broken connection. */
const DRAINED_BYTES = 16_777_216;

/** The most kinds of response headers that are kept: one for each origin. */
const HEADERS_KEPT = 200;

/** @type {Map<string, Headers>} */
const keptHeaders = new Map();

export class Host {
  #resume;
  /** @type {Map<number, ReturnType<typeof setTimeout>>} */
  #timers = new Map();
  /** Those that wait for each latch. @type {Map<number, (() => void)[]>} */
  #latches = new Map();

  /** @param {Resume} resume */
  constructor(resume) {
    this.#resume = resume;
  }

  /**
   * @param {number} operation
   * @param {number} milliseconds
   */
  wait(operation, milliseconds) {
    const end = () => {
      this.#timers.delete(operation);
      this.#resume(operation, ...NOTHING);
    };
    this.#timers.set(operation, setTimeout(end, milliseconds));
  }

  /** Stops the timer of an operation: an object with a timer is not evicted. @param {number} operation */
  cancel(operation) {
    clearTimeout(this.#timers.get(operation) ?? null);
    this.#timers.delete(operation);
  }

  /**
   * Waits until a latch is released, or for some time. The promise is of the request that waits, so that the request goes
   * on in its own I/O context, whichever request releases it. `new Promise` is no way to make it: once the compiler has
   * optimized this method, such a promise has no context, and the request would go on in that of the other.
   *
   * @param {number} operation
   * @param {number} latch
   * @param {number} milliseconds
   */
  join(operation, latch, milliseconds) {
    /** @type {PromiseWithResolvers<void>} */
    const { promise: released, resolve } = Promise.withResolvers();
    const timer = setTimeout(resolve, milliseconds);
    const waiting = this.#latches.get(latch);
    if (waiting) waiting.push(resolve);
    else this.#latches.set(latch, [resolve]);
    const end = () => {
      clearTimeout(timer);
      return NOTHING;
    };
    this.#complete(operation, released.then(end));
  }

  /** @param {number} latch */
  release(latch) {
    for (const release of this.#latches.get(latch) ?? []) release();
    this.#latches.delete(latch);
  }

  /**
   * Reads a body. The status is 0, or 1 if it is longer than `limit`, or 2 if it ended early.
   *
   * @param {number} operation
   * @param {Request} request
   * @param {number} limit in bytes
   */
  body(operation, request, limit) {
    this.#complete(operation, readBody(request, limit));
  }

  /**
   * Counts a request. The status is 0, or 1 if there were too many.
   *
   * @param {number} operation
   * @param {RateLimit} limiter
   * @param {string} key
   */
  limit(operation, limiter, key) {
    this.#complete(operation, limited(limiter, key));
  }

  /**
   * Reads an entry of a key-value store. The status is 0, or 1 if there is none, 2 if it is longer than `limit`, 3 if the
   * store does not answer in time.
   *
   * @param {number} operation
   * @param {KVNamespace} store
   * @param {string} key
   * @param {number} limit in bytes
   * @param {number} milliseconds
   */
  entry(operation, store, key, limit, milliseconds) {
    this.#complete(operation, readEntry(store, key, limit, milliseconds));
  }

  /**
   * Reads a file of www. The status is 0, or 1 if there is no such file or nothing is bound to ASSETS.
   *
   * @param {number} operation
   * @param {{ ASSETS: Fetcher }} env
   * @param {string} path
   */
  asset(operation, env, path) {
    this.#complete(operation, readAsset(env, path));
  }

  /**
   * @param {number} operation
   * @param {Uint8Array} bytes
   */
  sha256(operation, bytes) {
    this.#complete(operation, sha256(bytes.slice()));
  }

  /**
   * Sends a request. The status is that of the response, or 0 if it came too late, 1 if it may have come while the isolate
   * was busy, 2 if there is none. The number is when to send again, in milliseconds, or -1.
   *
   * @param {number} operation
   * @param {string} url
   * @param {string} headers
   * @param {Uint8Array} body
   * @param {number} milliseconds
   * @param {boolean} aborts whether a call that is too late is aborted
   */
  send(operation, url, headers, body, milliseconds, aborts) {
    this.#complete(operation, send(url, parsed(headers), body.slice(), milliseconds, aborts));
  }

  /**
   * Sends a request to another collector, after the caller was answered. The status is that of the response, or 0 if there
   * is none in time.
   *
   * @param {number} operation
   * @param {Caller} caller
   * @param {string} method
   * @param {string} url
   * @param {string} headers
   * @param {Uint8Array} body
   * @param {number} milliseconds
   */
  forward(operation, caller, method, url, headers, body, milliseconds) {
    const sent = body.length > 0 ? body.slice() : null;
    const forwarded = forward(method, url, parsed(headers), sent, milliseconds);
    caller.waitUntil(forwarded);
    this.#complete(operation, forwarded);
  }

  /**
   * Calls a method of a Durable Object. The status is 0 for a number, 1 for bytes, 2 for an error of the method, 3 if the
   * object cannot be reached or does not answer in time.
   *
   * @param {number} operation
   * @param {Namespace} namespace
   * @param {string | undefined} jurisdiction of the object, if it has one
   * @param {string} name of the object
   * @param {string | undefined} locationHint where to create the object if it does not exist
   * @param {string} method
   * @param {Uint8Array} body
   * @param {number} milliseconds
   */
  call(operation, namespace, jurisdiction, name, locationHint, method, body, milliseconds) {
    const stub = () => {
      const objects = jurisdiction ? within(namespace, jurisdiction) : namespace;
      return objects.get(objects.idFromName(name), locationHint ? { locationHint } : undefined);
    };
    this.#complete(operation, call(stub, method, body.slice(), milliseconds));
  }

  /**
   * @param {number} operation
   * @param {Promise<Completion>} result which does not reject
   */
  #complete(operation, result) {
    result.then(([status, number, bytes]) => this.#resume(operation, status, number, bytes));
  }

  /**
   * Answers an HTTP request.
   *
   * @param {Caller} caller
   * @param {number} status
   * @param {string} headers
   * @param {Uint8Array | undefined} body
   */
  respond(caller, status, headers, body) {
    let kept = keptHeaders.get(headers);
    if (!kept) {
      kept = new Headers(parsed(headers));
      if (keptHeaders.size >= HEADERS_KEPT) keptHeaders.clear();
      keptHeaders.set(headers, kept);
    }
    caller.resolve(new Response(body?.slice() ?? null, { status, headers: kept }));
  }

  /** @param {Caller} caller @param {number} number */
  number(caller, number) {
    caller.resolve(number);
  }

  /** @param {Caller} caller @param {Uint8Array} bytes */
  bytes(caller, bytes) {
    caller.resolve(bytes.slice());
  }

  /** @param {Caller} caller @param {Uint8Array} error */
  fail(caller, error) {
    caller.resolve({ error: error.slice() });
  }
}

/**
 * @param {Request} request
 * @param {number} limit
 * @returns {Promise<Completion>}
 */
async function readBody(request, limit) {
  try {
    const length = request.headers.get("content-length");
    if (length === null) return await readUpTo(limit, request.body);
    return Number(length) > limit ? [1, 0, EMPTY] : [0, 0, await request.bytes()];
  } catch {
    return [2, 0, EMPTY];
  }
}

/**
 * Reads a body whose length is not stated. One that is too long is read on and not kept: a client that is still sending
 * when the answer arrives sees a broken connection instead.
 *
 * @param {number} limit in bytes
 * @param {ReadableStream<Uint8Array> | null} stream null if the request has no body
 * @returns {Promise<Completion>}
 */
async function readUpTo(limit, stream) {
  const chunks = [];
  let length = 0;
  for await (const chunk of stream ?? []) {
    length += chunk.length;
    if (length <= limit) chunks.push(chunk);
    else if (length > limit + DRAINED_BYTES) break;
  }
  if (length > limit) return [1, 0, EMPTY];
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return [0, 0, bytes];
}

/**
 * @param {RateLimit} limiter
 * @param {string} key
 * @returns {Promise<Completion>}
 */
async function limited(limiter, key) {
  try {
    const { success } = await limiter.limit({ key });
    return success ? NOTHING : [1, 0, EMPTY];
  } catch {
    // Without a count, no request is too many.
    return NOTHING;
  }
}

/**
 * @param {KVNamespace} store
 * @param {string} key
 * @param {number} limit
 * @param {number} milliseconds
 * @returns {Promise<Completion>}
 */
async function readEntry(store, key, limit, milliseconds) {
  /** @type {ReturnType<typeof setTimeout> | null} */
  let timer = null;
  try {
    const late = new Promise((/** @type {(value: undefined) => void} */ resolve) => {
      timer = setTimeout(resolve, milliseconds, undefined);
    });
    const value = await Promise.race([store.get(key, "arrayBuffer"), late]);
    if (value === undefined) return [3, 0, EMPTY];
    if (value === null) return [1, 0, EMPTY];
    return value.byteLength > limit ? [2, 0, EMPTY] : [0, 0, new Uint8Array(value)];
  } catch {
    return [3, 0, EMPTY];
  } finally {
    clearTimeout(timer);
  }
}

/**
 * @param {{ ASSETS: Fetcher }} env
 * @param {string} path
 * @returns {Promise<Completion>}
 */
async function readAsset(env, path) {
  try {
    // The host is ignored.
    const response = await env.ASSETS.fetch("https://assets" + path);
    if (response.status !== 200) throw new Error(`status ${response.status}`);
    return [0, 0, await response.bytes()];
  } catch (error) {
    return [1, 0, encoder.encode(/** @type {Error} */ (error).message)];
  }
}

/**
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @returns {Promise<Completion>}
 */
async function sha256(bytes) {
  return [0, 0, new Uint8Array(await crypto.subtle.digest("SHA-256", bytes))];
}

/**
 * @param {string} url
 * @param {Record<string, string>} headers
 * @param {Uint8Array} body
 * @param {number} milliseconds
 * @param {boolean} aborts
 * @returns {Promise<Completion>}
 */
async function send(url, headers, body, milliseconds, aborts) {
  try {
    return await exchange(url, headers, body, milliseconds, aborts);
  } catch (error) {
    const { name, message } = /** @type {Error} */ (error);
    if (name === "TimedOut") return [0, -1, EMPTY];
    if (name === "Starved") return [1, -1, EMPTY];
    return [2, -1, encoder.encode(message)];
  }
}

/**
 * @param {string} method
 * @param {string} url
 * @param {Record<string, string>} headers
 * @param {Uint8Array<ArrayBuffer> | null} body
 * @param {number} milliseconds
 * @returns {Promise<Completion>}
 */
async function forward(method, url, headers, body, milliseconds) {
  try {
    const signal = AbortSignal.timeout(milliseconds);
    const response = await fetch(url, { method, headers, body, redirect: "manual", signal });
    await response.body?.cancel();
    return [response.status, 0, EMPTY];
  } catch {
    return NOTHING;
  }
}

/**
 * Returns the objects of a jurisdiction. workerd alone, as on a machine of yours, has none and says so; the names of the
 * objects differ there all the same. Any other error passes: no object may be outside of its jurisdiction.
 * Source: https://github.com/cloudflare/workerd/blob/main/src/workerd/server/actor-id-impl.c%2B%2B
 *
 * @param {Namespace} namespace
 * @param {string} jurisdiction
 */
function within(namespace, jurisdiction) {
  try {
    return namespace.jurisdiction(jurisdiction);
  } catch (error) {
    const { message } = /** @type {Error} */ (error);
    if (message !== "Jurisdiction restrictions are not implemented in workerd.") throw error;
    return namespace;
  }
}

/**
 * @param {() => ObjectStub} stub
 * @param {string} method
 * @param {Uint8Array} body
 * @param {number} milliseconds
 * @returns {Promise<Completion>}
 */
async function call(stub, method, body, milliseconds) {
  /** @type {ReturnType<typeof setTimeout> | null} */
  let timer = null;
  try {
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error("no answer in time")), milliseconds);
    });
    const answer = await Promise.race([stub().call(method, body), late]);
    if (typeof answer === "number") return [0, answer, EMPTY];
    return answer instanceof Uint8Array ? [1, 0, answer] : [2, 0, answer.error];
  } catch (error) {
    return [3, 0, encoder.encode(/** @type {Error} */ (error).message)];
  } finally {
    clearTimeout(timer);
  }
}

/**
 * @param {string} headers lines of a name, a space and a value
 * @returns {Record<string, string>}
 */
function parsed(headers) {
  /** @type {Record<string, string>} */
  const named = {};
  for (const line of headers.split("\n")) {
    const end = line.indexOf(" ");
    if (end > 0) named[line.slice(0, end)] = line.slice(end + 1);
  }
  return named;
}
