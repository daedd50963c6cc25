/** What a tracker is asked to show, each in a visit of its own. Nothing here is reported for a tracker: all of it is seen. */

import { setTimeout as sleep } from "node:timers/promises";

import { PATIENCE_MS } from "./visit.mjs";

/** Enough for the slowest of the trackers that do try again, in milliseconds. */
const RETRY_MS = 15_000;

const named = (events, name) => events.find((event) => event.name == name);
const came = (visit, kind) => visit.until(() => visit.recorder.events().some((event) => event.kind == kind));

const clicked = (kind) => async (visit) => {
  await visit.view();
  await visit.page.click(`#${kind}`, { noWaitAfter: true });
  return came(visit, kind);
};

const silentWith = (property, value) => async (visit) => {
  await visit.context.addInitScript(`Object.defineProperty(Navigator.prototype, "${property}", { get: () => ${value} })`);
  await visit.open();
  return !(await visit.until(() => visit.recorder.requests.some(({ events }) => events.length)));
};

/** Stays for a while, reads to the end, and goes. */
const read = (what) => async (visit) => {
  await visit.view();
  await visit.page.mouse.wheel(0, 5_000);
  await sleep(4_000);
  await visit.page.goto(`${visit.recorder.origin}/away`);
  return visit.until(() => visit.recorder.events().some((event) => event[what]));
};

/** An event that is answered 503, and tried again when a later one comes or before. */
const retried = async (visit) => {
  await visit.view();
  visit.recorder.state = "busy";
  await visit.track(["first"]);
  await visit.until(() => named(visit.recorder.events(), "first"));
  visit.recorder.state = "up";
  await sleep(1_000);
  await visit.track(["second"]);
  return visit.until(() => named(visit.recorder.accepted(), "first"), RETRY_MS);
};

/** By the name that a tracker's `head` gets. */
export const FEATURES = {
  views: {
    claim: "counts a page's view",
    ask: async (visit) => {
      await visit.view();
      return true;
    },
  },
  routes: {
    claim: "counts a view of each route (`pushState`)",
    ask: async (visit) => {
      await visit.view();
      await visit.page.evaluate(() => history.pushState({}, "", "/two"));
      return visit.until(() => visit.views() > 1);
    },
  },
  cached: {
    claim: "counts a view restored from the back/forward cache",
    ask: async (visit) => {
      await visit.view();
      await visit.page.evaluate(() => addEventListener("pageshow", ({ persisted }) => (window.persisted = persisted)));
      await visit.page.click("#inner");
      await visit.page.waitForURL("**/away");
      const before = visit.views();
      await visit.page.evaluate(() => history.back()).catch(() => {});
      await visit.page.waitForFunction(() => location.pathname == "/");
      if (!(await visit.page.evaluate(() => window.persisted))) return undefined;
      return visit.until(() => visit.views() > before);
    },
  },
  outbound: { claim: "reports clicks to other sites", ask: clicked("outbound") },
  download: { claim: "reports downloads", ask: clicked("download") },
  form: { claim: "reports forms that are submitted", ask: clicked("form") },
  engaged: { claim: "reports the engaged time", ask: read("engaged") },
  depth: { claim: "reports how far a page was read", ask: read("depth") },
  batches: {
    claim: "sends several events in one request",
    ask: async (visit) => {
      const names = ["one", "two", "three"];
      await visit.open();
      await visit.until(() => visit.views() > 0);
      await visit.track(names);
      await visit.until(() => names.every((name) => named(visit.recorder.events(), name)));
      return visit.recorder.requests.some(({ events }) => names.filter((name) => named(events, name)).length > 1);
    },
  },
  simple: {
    claim: "needs no preflight",
    ask: async (visit) => {
      await visit.view();
      await visit.track(["one"]);
      await visit.until(() => named(visit.recorder.events(), "one"));
      return visit.recorder.preflights == 0;
    },
  },
  leaving: {
    claim: "sends what happens as the page is left",
    ask: async (visit) => {
      await visit.view();
      await visit.track(["last"], 'location.href = "/away"');
      return visit.until(() => named(visit.recorder.accepted(), "last"));
    },
  },
  retries: { claim: "retries after a 503", ask: retried },
  repeats: {
    claim: "a retry has the id of the first attempt",
    ask: async (visit) => {
      if (!(await retried(visit))) return false;
      const ids = visit.recorder.events().filter(({ name }) => name == "first").map(({ id }) => id);
      return ids.length > 1 && ids.every((id) => id && id == ids[0]);
    },
  },
  kept: {
    claim: "keeps events while the server is down and the tab closed",
    ask: async (visit) => {
      await visit.view();
      visit.recorder.state = "down";
      await visit.track(["first"]);
      await sleep(2_000);
      await visit.page.goto(`${visit.recorder.origin}/away`);
      await visit.page.close();
      await sleep(500);
      visit.recorder.state = "up";
      await visit.open();
      return visit.until(() => named(visit.recorder.accepted(), "first"), RETRY_MS);
    },
  },
  gpc: { claim: "respects Global Privacy Control", ask: silentWith("globalPrivacyControl", "true") },
  dnt: { claim: "respects Do Not Track", ask: silentWith("doNotTrack", '"1"') },
  consent: {
    claim: "waits for consent, then sends what happened before",
    ask: async (visit) => {
      if (!visit.tracker.grant) return false;
      await visit.open();
      await sleep(1_000);
      await visit.track(["early"]);
      await sleep(PATIENCE_MS);
      const stored = await visit.page.evaluate(async () => localStorage.length + document.cookie.length + (await indexedDB.databases()).length);
      if (visit.recorder.events().length || stored) return false;
      await visit.page.evaluate(visit.tracker.grant);
      return visit.until(() => named(visit.recorder.accepted(), "early"));
    },
  },
  cookies: {
    claim: "sets no cookie",
    ask: async (visit) => {
      await visit.view();
      return (await visit.context.cookies()).length == 0;
    },
  },
};
