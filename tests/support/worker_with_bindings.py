"""A worker some of whose bindings are replaced by JavaScript of a test's own."""

from __future__ import annotations

import json

from support.worker import Worker

MAIN = """
import Headwater, * as objects from "./build/index.js";

const bindings = (env) => ({ %s });
const withBindings = (type) => new Proxy(type, {
  construct: (target, [context, env], made) => Reflect.construct(target, [context, { ...env, ...bindings(env) }], made),
});
export default {
  fetch: (request, env, context) => Headwater.fetch(request, { ...env, ...bindings(env) }, context),
};
export const Shard = withBindings(objects.Shard);
export const Inspector = withBindings(objects.Inspector);
"""


class WorkerWithBindings(Worker):
    """Built as any, but for `bindings`: the members of a JavaScript object."""

    main = MAIN
    bindings = ""

    def _write_files(self) -> None:
        super()._write_files()
        self._write("bindings.js", self.main % self.bindings)
        configuration = json.loads((self._directory / "wrangler.json").read_text())
        configuration["main"] = "bindings.js"
        self._write("wrangler.json", json.dumps(configuration))
