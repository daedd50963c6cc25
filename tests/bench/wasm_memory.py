"""The built worker beside an address that reports the memory of its Wasm, which only an instance's creator sees."""

from __future__ import annotations

import http.client

from bench.bare_workerd import BUILT, HOST, built_files

SECONDS = 90
MAIN = b"""
import "./instances.js";
import Headwater, { Shard, Inspector } from "./index.js";
const bytes = () => globalThis.instances.reduce((sum, instance) => sum + instance.exports.memory.buffer.byteLength, 0);
export default {
  fetch(request, env, context) {
    if (new URL(request.url).pathname === "/memory") return new Response(String(bytes()));
    return Headwater.fetch(request, env, context);
  },
};
export { Shard, Inspector };
"""
INSTANCES = b"""
globalThis.instances = [];
const { Instance } = WebAssembly;
WebAssembly.Instance = function (module, imports) {
  const instance = new Instance(module, imports);
  globalThis.instances.push(instance);
  return instance;
};
"""
MODULES = f'(name = "main.js", esModule = embed "main.js"), (name = "instances.js", esModule = embed "instances.js"), {BUILT}'


def files() -> dict[str, bytes]:
    """What the modules embed."""
    return {**built_files(), "main.js": MAIN, "instances.js": INSTANCES}


def memory(port: int) -> int:
    """The bytes of Wasm's memory, which never shrinks."""
    connection = http.client.HTTPConnection(HOST, port, timeout=SECONDS)
    try:
        connection.request("GET", "/memory")
        return int(connection.getresponse().read())
    finally:
        connection.close()
