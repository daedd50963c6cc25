// The worker's entry: passes each request, call and alarm to the Wasm, and restarts it after a panic.

import { DurableObject } from "cloudflare:workers";
import { Host } from "./host.js";
import * as wasm from "./index.js";

/** @typedef {import("./host.js").Caller & { reject(error: unknown): void }} Caller */
/** @typedef {(work: Promise<unknown>) => void} WaitUntil */

// A panic's trace is long, and its end names the caller.
/** @type {{ stackTraceLimit?: number }} */ (Error).stackTraceLimit = 100;

const state = wasm.__worker_init_state();

/** Those that the Wasm has not answered yet. @type {Set<Caller>} */
const callers = new Set();

connect();

/** Connects an instance. What was begun for an earlier one does not reach it. */
function connect() {
  const { instanceId } = state;
  wasm.connect(new Host((operation, status, number, bytes) => {
    if (state.criticalError || state.instanceId !== instanceId) return;
    try {
      wasm.resume(operation, status, number, bytes);
    } catch (error) {
      note(error);
    }
  }));
}

/** Sees a panic, after which nothing is answered any more. @param {unknown} error */
function note(error) {
  console.error("Critical", error);
  state.criticalError = true;
  for (const caller of callers) caller.reject(error);
}

/** Replaces an instance that has panicked, since the state of its memory is unknown. */
function renew() {
  if (!state.criticalError) return;
  console.log("Reinitializing Wasm application");
  wasm.__wbg_reset_state();
  state.criticalError = false;
  connect();
}

/**
 * Calls the Wasm, which answers the caller now or later.
 *
 * @param {(caller: Caller) => void} begin
 * @param {WaitUntil} waitUntil keeps the caller's I/O context for work after its answer; that of an object lasts anyway
 * @returns {Promise<any>}
 */
function answered(begin, waitUntil = () => {}) {
  // A panic in another request rejects it, so it is made as in `join` of host.js.
  /** @type {PromiseWithResolvers<any>} */
  const { promise, resolve, reject } = Promise.withResolvers();
  const caller = {
    waitUntil,
    /** @param {unknown} value */
    resolve(value) {
      callers.delete(caller);
      resolve(value);
    },
    /** @param {unknown} error */
    reject(error) {
      callers.delete(caller);
      reject(error);
    },
  };
  callers.add(caller);
  try {
    renew();
    begin(caller);
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) note(error);
    caller.reject(error);
  }
  return promise;
}

export default {
  /**
   * @param {Request} request
   * @param {unknown} env
   * @param {ExecutionContext} context
   */
  fetch(request, env, context) {
    const waitUntil = (/** @type {Promise<unknown>} */ work) => context.waitUntil(work);
    const answer = answered((caller) => wasm.fetch(request, env, caller), waitUntil);
    // A client that disconnects must not stop the work for its beacons.
    context.waitUntil(answer);
    return answer;
  },
};

/**
 * Makes the Durable Object of the Rust type `Class`. It outlives an instance of the Wasm, and then creates `Class` again.
 *
 * @param {typeof wasm.Shard | typeof wasm.Inspector} Class
 */
function durable(Class) {
  return class extends DurableObject {
    #instanceId = -1;
    /** Has `alarm` only if it is a shard. @type {any} */
    #rust;

    #object() {
      if (this.#instanceId !== state.instanceId) {
        this.#rust = new Class(this.ctx.storage, this.ctx.id.name ?? "", this.env);
        this.#instanceId = state.instanceId;
      }
      return this.#rust;
    }

    /**
     * @param {string} method
     * @param {Uint8Array} body
     */
    call(method, body) {
      return answered((caller) => this.#object().call(method, body, caller));
    }

    alarm() {
      return answered((caller) => this.#object().alarm(caller));
    }
  };
}

export const Shard = durable(wasm.Shard);
export const Inspector = durable(wasm.Inspector);
