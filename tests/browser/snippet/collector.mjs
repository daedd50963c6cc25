// Stands between a row's browser and the worker: passes requests on, remembers those with events, and makes the
// trouble that a row asks for.

import { EventEmitter, once } from "node:events";
import { createServer, request as ask } from "node:http";

export const HOST = "127.0.0.1";
/** How long something that must come is waited for, in milliseconds: tries of a snippet may be far apart. */
const PATIENCE_MS = 120_000;
const CORS = { "access-control-allow-origin": "*", "access-control-expose-headers": "retry-after" };

/**
 * @typedef {object} Beacons a request for events
 * @property {number} at when it came, in milliseconds since the epoch
 * @property {number} [until] when it had its answer
 * @property {string} method
 * @property {string} target its path and query
 * @property {Record<string, string>} headers
 * @property {string} body
 * @property {"fetch" | "beacon" | undefined} by as far as the browser tells
 * @property {{ name: string, [field: string]: unknown }[]} events
 * @property {number} [status] what the worker answered, also where the browser was never reported
 * @property {object} [trouble] what was done with it instead of answering as the worker did
 */

/** How a request was made, by its mode: `sendBeacon` needs no answer. */
const madeBy = ({ "sec-fetch-mode": mode }) => ({ cors: "fetch", "same-origin": "fetch", "no-cors": "beacon" })[mode];

/** What an event is, whatever its id: its name, where it was, and the mark that its row gave it. */
export function named({ name, url, props }) {
  const { pathname, hash } = new URL(url);
  return [name, pathname + hash, props?.mark].filter((part) => part != null).join(" ");
}

export class Collector {
  /** @type {Beacons[]} */
  requests = [];
  /** What befalls the next requests, one each: `{ status, headers }`, `{ cut: "before" | "after" }`, `{ holds }`. */
  troubles = [];
  /** What befalls every request, as long as it is set. */
  always;

  #worker;
  #server;
  #port = 0;
  #came = new EventEmitter();

  constructor(worker) {
    this.#worker = new URL(worker);
  }

  get origin() {
    return `http://${HOST}:${this.#port}`;
  }

  /** Listens; after `leave` on the same port as before. */
  async come() {
    this.#server = createServer((request, response) => this.serve(request, response));
    this.#server.listen(this.#port, HOST);
    await once(this.#server, "listening");
    this.#port = this.#server.address().port;
  }

  /** From now on connections are refused. */
  async leave() {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async serve(request, response) {
    const chunks = await request.toArray().catch(() => []);
    const body = Buffer.concat(chunks);
    if (!request.url.startsWith("/v1/")) return this.#pass(request, body, response);
    const trouble = this.troubles.shift() ?? this.always;
    const text = body.toString();
    const { method, url: target, headers } = request;
    const events = method === "POST" ? JSON.parse(text).events : [];
    const beacons = { at: Date.now(), method, target, headers, body: text, by: madeBy(headers), events, trouble };
    this.requests.push(beacons);
    this.#came.emit("change");
    await trouble?.holds;
    if (trouble?.cut === "before") request.socket.destroy();
    else if (trouble?.status) response.writeHead(trouble.status, { ...CORS, ...trouble.headers }).end();
    else beacons.status = await this.#pass(request, body, trouble?.cut === "after" ? undefined : response);
    if (trouble?.cut === "after") request.socket.destroy();
    beacons.until = Date.now();
    this.#came.emit("change");
  }

  /** The events that the worker has said to be durable, each once. */
  get kept() {
    const answered = this.requests.filter(({ status }) => status >= 200 && status < 300);
    return [...new Map(answered.flatMap(({ events }) => events).map((event) => [event.id, event])).values()];
  }

  /** Every event that was sent, as often as it was. */
  get sent() {
    return this.requests.flatMap(({ events }) => events);
  }

  /** Waits until something is true of the requests; `what` says for what. */
  async until(what, isSo) {
    const overdue = AbortSignal.timeout(PATIENCE_MS);
    while (!isSo()) {
      try {
        await once(this.#came, "change", { signal: overdue });
      } catch {
        const seen = this.requests.slice(-9).map(({ events, status, trouble }) => [status, trouble, events.slice(0, 9).map(named)]);
        throw new Error(`never came: ${what}; the last of ${this.requests.length} requests were ${JSON.stringify(seen)}`);
      }
    }
  }

  /** Waits until all of these are durable, and maybe more. */
  async untilKept(expected) {
    await this.until(`${expected.slice(0, 9)}`, () => missing(expected, this.kept.map(named)).length === 0);
  }

  /** Passes a request on to the worker, and its answer back; gives the answer's status. */
  async #pass({ method, url, headers }, body, response) {
    const { hostname, port, host } = this.#worker;
    const request = ask({ hostname, port, method, path: url, headers: { ...headers, host } });
    request.end(body);
    const [answer] = await once(request, "response");
    const bytes = Buffer.concat(await answer.toArray());
    response?.writeHead(answer.statusCode, answer.headers).end(bytes);
    return answer.statusCode;
  }
}

/** Which of `expected` are not in `found`, as often as they should be. */
function missing(expected, found) {
  const left = new Map();
  for (const each of found) left.set(each, (left.get(each) ?? 0) + 1);
  return expected.filter((each) => {
    const count = left.get(each) ?? 0;
    left.set(each, count - 1);
    return count < 1;
  });
}
