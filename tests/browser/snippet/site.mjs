// The shop whose pages carry the snippet, on an origin of its own, and the pages of other sites that it links to.

import { EventEmitter, once } from "node:events";
import { createServer } from "node:http";

import { HOST } from "./collector.mjs";

/** Loopback, and so a secure context, and another site than the collector's. */
const SHOP = "shop.localhost";
const STUB = "window.headwater=window.headwater||function(){(headwater.q=headwater.q||[]).push(arguments)}";

/** The stub and the tag, as the README shows them. `attributes` come without their `data-`; `true` is an empty one. */
export function tag(source, attributes, { nonce = "", stub = STUB } = {}) {
  const proper = nonce && ` nonce="${nonce}"`;
  const data = Object.entries(attributes).map(([name, value]) => ` data-${name}="${value === true ? "" : value}"`);
  const before = stub && `<script${proper}>${stub}</script>`;
  return `${before}\n<script${proper} async src="${source}"${data.join("")}></script>`;
}

export class Site {
  /** Pages, other than those that have nothing but the tag, by path: `{ head, body, headers, html }`. */
  pages = {};
  /** The tag of all pages, or what a page has in its place. */
  tag = "";

  #server;
  #reported = new EventEmitter();
  #waiting = new Map();

  /** @param {import("./collector.mjs").Collector} collector whose paths this site serves too, as a first party would */
  constructor(collector) {
    this.#server = createServer((request, response) => {
      const { pathname } = new URL(request.url, this.origin);
      if (/^\/(v1\/|t\.)/.test(pathname)) collector.serve(request, response);
      else this.#serve(request, response, pathname);
    });
  }

  async open() {
    this.#server.listen(0, HOST);
    await once(this.#server, "listening");
  }

  async close() {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  get port() {
    return this.#server.address().port;
  }

  get origin() {
    return this.at(SHOP);
  }

  at(host) {
    return `http://${host}:${this.port}`;
  }

  /** Waits until a page fetches `/wait/NAME`, which gets its answer when what is given back is called. */
  async asked(name) {
    while (!this.#waiting.has(name)) await once(this.#reported, "ask", { signal: AbortSignal.timeout(15_000) });
    return this.#waiting.get(name);
  }

  #serve({ headers: { host } }, response, pathname) {
    const [, name] = pathname.match(/^\/wait\/(.+)/) ?? [];
    if (name) {
      this.#waiting.set(name, () => response.end());
      this.#reported.emit("ask");
    } else if (/\.(pdf|zip|ico)$|^\/export$/i.test(pathname)) {
      response.writeHead(200, { "content-disposition": "attachment" }).end("a file");
    } else if (host.startsWith("else")) {
      response.writeHead(200, { "content-type": "text/html" }).end("<title>another site</title>");
    } else {
      const { head = "", body = "", headers = {}, html } = this.pages[pathname] ?? this.pages["*"] ?? {};
      const page = `<!doctype html>\n<title>${pathname}</title>\n${head}\n${this.tag}\n<body>${body}</body>\n`;
      response.writeHead(200, { "content-type": "text/html; charset=utf-8", ...headers }).end(html ?? page);
    }
  }
}
