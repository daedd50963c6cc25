/** The floor of the shard: parses the beacons and hands the text to an object, which holds its callers for 100 ms. */

import { DurableObject } from "cloudflare:workers";
import { textOf } from "./text.mjs";

const LINGER_MS = 100;

export default {
  async fetch(request, env) {
    const body = await textOf(request);
    JSON.parse(body);
    const shard = env.SHARD.get(env.SHARD.idFromName("0"));
    const answer = await shard.fetch("https://shard/", { method: "POST", body });
    return new Response(null, { status: answer.status });
  },
};

/** Puts nothing: it only waits, as one that batches has to. */
export class Shard extends DurableObject {
  #batch = null;

  async fetch(request) {
    await request.text();
    this.#batch ??= new Promise((resolve) => {
      setTimeout(() => {
        this.#batch = null;
        resolve();
      }, LINGER_MS);
    });
    await this.#batch;
    return new Response(null, { status: 204 });
  }
}
