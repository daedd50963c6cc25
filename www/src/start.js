/** Puts the parts together. */

import { capture } from "./capture.js";
import { delivery } from "./delivery.js";
import { device } from "./device.js";
import { engagement } from "./engagement.js";
import { pages } from "./pages.js";
import { uuid } from "./uuid.js";

/**
 * @param {object} options
 */
export function start({ src, key = "", endpoint = "/v1/events", auto = "", pages: mode, chunks, consent, cookieless, opening = "", build }) {
  const url = new URL(endpoint, src);
  if (key) url.searchParams.set("key", key);
  const name = "headwater" + key;
  const inMemory = cookieless != null;
  const who = device(name, inMemory, opening);
  const queue = delivery(url.href, name, who, inMemory);
  let allowed = navigator.globalPrivacyControl || navigator.doNotTrack == 1 ? false : consent == null || undefined;
  let held = [];
  let granted;
  let view, referrer = document.referrer, seen = 0;

  const admit = (event) => {
    if (allowed) queue.push({ id: event.id, json: JSON.stringify({ ...event, ...who.tags(event.name, event.time), consent: granted }) });
    else if (allowed == null) held.push(event);
  };
  const track = (event, props, fields) => {
    const time = Date.now();
    const id = uuid(time);
    admit({ name: event, id, time, url: location.href, title: document.title, screen: screen.width + "x" + screen.height, viewport: innerWidth + "x" + innerHeight, language: navigator.language, build, props, ...fields });
    return id;
  };
  const left = engagement((depth, engaged_ms) => {
    if (view && /leave/.test(auto) && (engaged_ms > 999 || depth > seen)) track("page_leave", { depth: seen = Math.max(seen, depth), engaged_ms, page_view_id: view });
  });
  const page = (props) => {
    left();
    view = track("page_view", props, { referrer });
    seen = 0;
    referrer = location.href;
  };
  const commands = {
    track,
    page,
    identify(user, traits) {
      who.write({ u: user });
      track("identify", traits);
    },
    consent(answer) {
      allowed = answer == "granted";
      granted = allowed ? answer : undefined;
      const waiting = held;
      held = [];
      if (allowed) waiting.map(admit);
      else { who.clear(); queue.clear(); }
    },
  };
  const headwater = (command, ...values) => {
    try {
      commands[command](...values);
    } catch (error) {
      console.error(error);
    }
  };
  addEventListener("visibilitychange", () => {
    if (document.visibilityState == "hidden") {
      left();
      queue.leave();
    }
  }, true);
  addEventListener("pagehide", queue.leave);
  addEventListener("online", queue.flush);
  capture((kind) => auto.includes(kind), track);
  pages(mode, (kind) => page(kind && { kind }));
  chunks?.split(" ").map((chunk) => import(src.replace(/\.js.*/, `.${chunk}.js`)).then((it) => it.default(track)));
  return headwater;
}
