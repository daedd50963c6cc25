// Stands for the shim that worker-build writes, version 0.8: the handlers are methods of a class, and each class that a
// Wasm exports is behind a proxy, which makes a new instance of the Wasm after a panic. `build` adds the other classes.

import { WorkerEntrypoint } from "cloudflare:workers";
import * as glue from "./index.js";

Error.stackTraceLimit = 100;
const state = glue.__worker_init_state();

function note(error) {
  if (error instanceof WebAssembly.RuntimeError) state.criticalError = true;
}

function renew() {
  if (!state.criticalError) return;
  glue.__wbg_reset_state();
  state.criticalError = false;
  state.instanceId += 1;
}

addEventListener("error", (event) => note(event.error));

function method(original) {
  return new Proxy(original, {
    async apply(target, self, values) {
      renew();
      try {
        return await Reflect.apply(target, self, values);
      } catch (error) {
        note(error);
        throw error;
      }
    },
  });
}

function renewing(Class) {
  return new Proxy(Class, {
    construct(target, values, made) {
      renew();
      const make = () => ({ object: Reflect.construct(target, values, made), of: state.instanceId });
      return new Proxy(make(), {
        get(current, name, self) {
          if (current.of !== state.instanceId) Object.assign(current, make());
          const value = Reflect.get(current.object, name, self);
          return typeof value === "function" ? method(value) : value;
        },
        set: (current, name, value, self) => Reflect.set(current.object, name, value, self),
        has: (current, name) => Reflect.has(current.object, name),
        getPrototypeOf: (current) => Reflect.getPrototypeOf(current.object),
        ownKeys: (current) => Reflect.ownKeys(current.object),
      });
    },
  });
}

class Handlers extends WorkerEntrypoint {
  fetch(request) {
    return glue.fetch.call(this, request, this.env, this.ctx);
  }
}

export default renewing(Handlers);
