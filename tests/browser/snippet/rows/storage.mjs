// Browsers that store nothing, or not all, or not where the page is; and pages that are not secure.

import assert from "node:assert/strict";

import { begun, marked, tracks } from "../calls.mjs";

const SOME = ["page_view /", ...marked("reported", 3)];
const some = ({ page }) => begun(page).then(() => tracks(page, "reported", 3));
/** And once more when nothing waits. */
const twice = async ({ page, collector }) => {
  await some({ page });
  await collector.untilKept(SOME);
  await tracks(page, "again", 2);
};

/** All is reported by a device that stays the same as long as its page does. */
function oneDevice({ collector: { kept } }) {
  assert.equal(new Set(kept.map(({ device_id }) => device_id)).size, 1);
  assert.ok(kept[0].device_id);
}

const noStorage = () => {
  const refuse = () => {
    throw new DOMException("refused", "SecurityError");
  };
  for (const name of ["localStorage", "sessionStorage", "indexedDB"]) Object.defineProperty(window, name, { get: refuse });
};
const noRoom = () => {
  const refuse = () => {
    throw new DOMException("full", "QuotaExceededError");
  };
  IDBObjectStore.prototype.put = IDBObjectStore.prototype.add = refuse;
  Storage.prototype.setItem = refuse;
};
/** As a disk that is full does it: the request is taken, and its transaction aborts. */
const noRoomLater = () => {
  for (const method of ["put", "add"]) {
    const original = IDBObjectStore.prototype[method];
    IDBObjectStore.prototype[method] = function (...values) {
      const request = original.apply(this, values);
      this.transaction.abort();
      return request;
    };
  }
};
const failsToOpen = () =>
  (IDBFactory.prototype.open = () => {
    const request = {};
    setTimeout(() => request.onerror?.(new Event("error")));
    return request;
  });
const noLocks = () => Object.defineProperty(Navigator.prototype, "locks", { get: () => undefined });

const without = (claim, init, more = {}) => ({ claim, init, sends: [...SOME, ...marked("again", 2)], does: twice, check: oneDevice, ...more });

/** A page in a frame that has no origin: neither storage nor locks. */
const FRAMED = () => ({
  "/": { html: `<!doctype html><title>outer</title><iframe sandbox="allow-scripts" src="/framed"></iframe>` },
  "/framed": {
    body: `<script>
      addEventListener("load", () => { for (const mark of [1, 2, 3]) headwater("track", "reported", { mark }) });
    </script>`,
  },
});

export const STORAGE = [
  without("where storage throws, all is sent from memory", noStorage),
  without("where storage is full, all is sent from memory", noRoom),
  without("where storage fills up as it is written, all is sent from memory", noRoomLater),
  without("where the database can't be opened, all is sent from memory", failsToOpen),
  without("where there are no locks, all is sent", noLocks),
  {
    claim: "where storage throws, what comes last is sent on leaving",
    init: noStorage,
    sends: SOME,
    async does({ page }) {
      await some({ page });
      await page.close();
    },
  },
  {
    claim: "in a frame without an origin all is sent from memory",
    pages: FRAMED,
    sends: ["page_view /framed", ...marked("reported", 3, "/framed")],
    check(visit) {
      oneDevice(visit);
      assert.equal(visit.collector.requests[0].headers.origin, "null");
    },
  },
  {
    claim: "where storage throws, what a busy worker refuses is sent again",
    init: noStorage,
    path: null,
    sends: SOME,
    async does(visit) {
      visit.collector.troubles = [{ status: 503, headers: { "retry-after": 2 } }];
      await some({ page: await visit.open("/") });
    },
    check({ collector: { requests } }) {
      const since = requests[1].at - requests[0].until;
      assert.ok(since >= 2_000, `asked again after ${since} ms`);
    },
  },
  {
    claim: "a page that is not secure is heard, and its events survive a reload",
    path: null,
    sends: ["page_view /", ...marked("reported", 3), "page_view /"],
    async does(visit) {
      const page = await visit.open("/", visit.site.at("shop.test"));
      assert.equal(await page.evaluate(() => isSecureContext), false);
      visit.collector.troubles = [{ status: 503, headers: { "retry-after": 2 } }];
      await some({ page });
      await visit.collector.until("the refusal", () => visit.collector.requests[0]?.until);
      await page.reload();
    },
    check: oneDevice,
  },
];
