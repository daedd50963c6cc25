/** A site and, under another origin, its collector, which keeps what it was sent; both only on this machine. */

import { createServer } from "node:http";

const PAGE = (head, away) => `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A page</title>${head}</head>
<body style="height: 5000px"><p>
<a id="inner" href="/away">another page</a> <a id="outbound" href="${away}">another site</a> <a id="download" href="/file.pdf">a file</a>
<form id="order" action="/away"><input name="email" value="a@b.example"><button id="form">Send</button></form>
</body></html>`;

const listen = async (handle) => {
  const server = createServer(handle);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, origin: `http://127.0.0.1:${server.address().port}` };
};

export class Recorder {
  /** What came: `{ url, body, accepted, events }`. */
  requests = [];
  preflights = 0;
  /** How events are answered: `up`, `busy` with a 503, or `down` with a cut connection. */
  state = "up";

  /**
   * @param {object} [tracker] none makes a site without one
   * @param {Record<string, string>} scripts by their paths
   * @param {string} [feature] what is asked for
   */
  static async open(tracker, scripts, feature) {
    const recorder = new Recorder();
    Object.assign(recorder, { tracker, scripts, feature });
    recorder.collector = await listen((request, response) => recorder.#collect(request, response));
    recorder.site = await listen((request, response) => recorder.#page(request, response));
    return recorder;
  }

  /** The site's address. */
  get origin() {
    return this.site.origin;
  }

  /** All events that came, or those only that were accepted. */
  events(requests = this.requests) {
    return requests.flatMap(({ events }) => events);
  }

  accepted() {
    return this.events(this.requests.filter(({ accepted }) => accepted));
  }

  close() {
    for (const { server } of [this.collector, this.site]) {
      server.close();
      server.closeAllConnections();
    }
  }

  #page({ url }, response) {
    const head = url == "/" && this.tracker ? this.tracker.head(this.collector.origin, this.feature) : "";
    response.setHeader("content-type", url == "/file.pdf" ? "application/pdf" : "text/html");
    response.end(PAGE(head, this.origin.replace("127.0.0.1", "localhost") + "/away"));
  }

  async #collect(request, response) {
    const url = new URL(request.url, this.collector.origin);
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    response.setHeader("access-control-allow-origin", request.headers.origin ?? "*");
    response.setHeader("access-control-allow-credentials", "true");
    if (request.method == "OPTIONS") {
      this.preflights += 1;
      response.setHeader("access-control-allow-headers", request.headers["access-control-request-headers"] ?? "");
      response.writeHead(204).end();
      return;
    }
    const json = (value) => response.setHeader("content-type", "application/json").end(JSON.stringify(value));
    if (url.pathname in this.scripts) {
      response.setHeader("content-type", "text/javascript").end(this.scripts[url.pathname]);
      return;
    }
    const answer = this.tracker.answer?.({ url }, this.feature);
    if (answer) {
      json(answer);
      return;
    }
    const body = Buffer.concat(chunks);
    this.requests.push({ url, body, accepted: this.state == "up", events: this.tracker.read({ url, body }) });
    if (this.state == "down") request.socket.destroy();
    else if (this.state == "busy") response.writeHead(503).end();
    else json({});
  }
}
