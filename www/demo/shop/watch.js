// Tells the demo page what the snippet sends: runs before it, and wraps what it sends with. The product has no such
// hook, and a page that only uses the snippet needs nothing of this.

(() => {
  /** What was sent and not yet looked at, and how the loading of each script ended. */
  const watched = { requests: [], scripts: new Map() };
  window.watched = watched;

  const tell = (via, body, reply) => {
    watched.requests.push({ via, body: new Response(body).text(), began: performance.now(), reply });
    dispatchEvent(new Event("watched"));
  };
  const read = async (answer) => ({
    status: answer.status,
    retryAfter: answer.headers.get("retry-after"),
    text: await answer.clone().text(),
  });

  const { fetch } = window;
  window.fetch = (address, options) => {
    const answer = fetch(address, options);
    if (options?.method === "POST") tell("fetch", options.body, answer.then(read).catch((error) => ({ broken: error.message })));
    return answer;
  };

  const beacon = navigator.sendBeacon.bind(navigator);
  navigator.sendBeacon = (address, body) => {
    const taken = beacon(address, body);
    // No page can read the answer to a beacon.
    if (taken) tell("sendBeacon", body, Promise.resolve(null));
    return taken;
  };

  for (const end of ["load", "error"]) {
    const note = ({ target }) => target instanceof HTMLScriptElement && watched.scripts.set(target.src, end);
    document.addEventListener(end, note, true);
  }
})();
