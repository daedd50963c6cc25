// The worker's entry: passes each request and each alarm to the Wasm, and restarts it after a panic.

import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";
import * as wasm from "./index.js";

// A panic's trace is long, and its end names the caller.
Error.stackTraceLimit = 100;

/** @type {{ criticalError: boolean, instanceId: number }} */
const state = wasm.__worker_init_state();

/** @param {unknown} error */
function note(error) {
  if (error instanceof WebAssembly.RuntimeError) {
    console.error("Critical", error);
    state.criticalError = true;
  }
}

// Sees panics in tasks that no call waits for.
addEventListener("error", (event) => note(event.error));

/** Replaces an instance that has panicked, since the state of its memory is unknown. */
function renew() {
  if (!state.criticalError) return;
  console.log("Reinitializing Wasm application");
  wasm.__wbg_reset_state();
  state.criticalError = false;
  state.instanceId += 1;
}

/**
 * @template T
 * @param {() => T | Promise<T>} act
 * @returns {Promise<T>}
 */
async function call(act) {
  renew();
  try {
    return await act();
  } catch (error) {
    note(error);
    throw error;
  }
}

export default class Entrypoint extends WorkerEntrypoint {
  /** @param {Request} request */
  fetch(request) {
    const answer = call(() => wasm.fetch(request, this.env, this.ctx));
    // A client that disconnects must not stop the work for its beacons.
    this.ctx.waitUntil(answer);
    return answer;
  }
}

/**
 * Makes the Durable Object of the Rust type `Class`. It outlives an instance of the Wasm, and then creates `Class` again.
 *
 * @param {new (state: DurableObjectState, env: unknown) => any} Class
 */
function durable(Class) {
  return class extends DurableObject {
    #instanceId = -1;
    /** @type {any} */
    #rust;

    /** @param {string} method @param {unknown[]} values */
    #call(method, ...values) {
      return call(() => {
        if (this.#instanceId !== state.instanceId) {
          this.#rust = new Class(this.ctx, this.env);
          this.#instanceId = state.instanceId;
        }
        return this.#rust[method](...values);
      });
    }

    /** @param {Request} request */
    fetch(request) {
      return this.#call("fetch", request);
    }

    alarm() {
      return this.#call("alarm");
    }
  };
}

export const Shard = durable(wasm.Shard);
export const Inspector = durable(wasm.Inspector);
