"""The built worker with workerd's own key-value store of tenants, whose reads are counted and may fail.

The worker's clock is moved on, not waited for; by less than the minutes that a signature may be off. The bindings of the test are made once in an isolate,
since the worker forgets what it knows of the store if they change.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from support.metered_worker import METRICS, Metered

MAIN = """
import Headwater, * as objects from "./build/index.js";

const state = { later: 0, fails: false, hangs: false, refuses: false };
let [reads, counted] = [[], []];
const now = Date.now;
Date.now = () => now() + state.later;

let made;
const bindings = (env) => (made ??= {
  TENANTS: {
    async get(key, type) {
      reads.push(key);
      if (state.hangs) await new Promise(() => {});
      if (state.fails) throw new Error("no store");
      return env.TENANTS.get(key, type);
    },
  },
  RATE_LIMIT: {
    async limit({ key }) {
      counted.push(key);
      return { success: !state.refuses };
    },
  },
  %s
});
const control = async (request, env) => {
  const { put, remove, seen: isLook, forget, ...changes } = await request.json();
  for (const [key, value] of Object.entries(put ?? {})) await env.TENANTS.put(key, value);
  for (const key of remove ?? []) await env.TENANTS.delete(key);
  Object.assign(state, changes);
  const seen = { reads, counted };
  if (forget) made = undefined;
  if (isLook) [reads, counted] = [[], []];
  return Response.json(seen);
};
const withBindings = (type) => new Proxy(type, {
  construct: (target, [context, env], made) => Reflect.construct(target, [context, { ...env, ...bindings(env) }], made),
});
export default {
  fetch: (request, env, context) => new URL(request.url).pathname === "/test-control"
    ? control(request, env)
    : Headwater.fetch(request, { ...env, ...bindings(env) }, context),
};
export const Shard = withBindings(objects.Shard);
export const Inspector = withBindings(objects.Inspector);
"""


@dataclass(frozen=True)
class Seen:
    """What was asked of the bindings since the last look."""

    reads: list[str]
    # The names under which the rate limiter counted requests.
    counted: list[str]


class WorkerWithTenants(Metered):
    """A worker with TENANTS; all are in it that a test `puts`."""

    main = MAIN
    bindings = METRICS

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.later = 0

    def _write_files(self) -> None:
        super()._write_files()
        configuration = json.loads((self._directory / "wrangler.json").read_text())
        configuration["kv_namespaces"] = [{"binding": "TENANTS", "id": "tenants"}]
        self._write("wrangler.json", json.dumps(configuration))

    def control(self, **changes: Any) -> Seen:
        """Changes the store or its behaviour."""
        answer = self.request("POST", "/test-control", json.dumps(changes))
        assert answer.status == 200, answer
        return Seen(**json.loads(answer.body))

    def put(self, tenants: Mapping[str, Mapping[str, Any] | str]) -> None:
        """Writes values, texts as they are, and lets their tenants' names lead to them."""
        texts = {
            key: value if isinstance(value, str) else json.dumps(value)
            for key, value in tenants.items()
        }
        names = {
            f"tenant/{value['tenant']}": key
            for key, value in tenants.items()
            if isinstance(value, Mapping)
        }
        self.control(put={**texts, **names})

    def seen(self) -> Seen:
        return self.control(seen=True)

    def forget(self) -> None:
        """Lets the worker forget what it knows of the store, and sets its clock right."""
        self.later = 0
        self.control(forget=True, later=0)

    def pass_time(self, seconds: float) -> None:
        """Moves the worker's clock on."""
        self.later += round(seconds * 1_000)
        self.control(later=self.later)
