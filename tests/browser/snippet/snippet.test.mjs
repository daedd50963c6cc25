// The snippet in a real Chromium, against the worker at HEADWATER_URL: tables of what happens, with what must and what
// must not be sent. What must lie in the streams then goes into the file HEADWATER_EXPECTED, by the rows' builds.

import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";

import { CHROMIUM, Visit, launch, slug } from "./harness.mjs";
import { ACTIONS } from "./rows/actions.mjs";
import { HOSTILE } from "./rows/hostile.mjs";
import { LIMITS } from "./rows/limits.mjs";
import { OUTAGES } from "./rows/outages.mjs";
import { PRIVACY } from "./rows/privacy.mjs";
import { SESSIONS } from "./rows/sessions.mjs";
import { STORAGE } from "./rows/storage.mjs";
import { VIEWS } from "./rows/views.mjs";

const ROWS = [...VIEWS, ...ACTIONS, ...OUTAGES, ...PRIVACY, ...STORAGE, ...SESSIONS, ...HOSTILE, ...LIMITS];

const missing = !process.env.HEADWATER_URL
  ? "HEADWATER_URL is not set: give it the address of a running worker"
  : !existsSync(CHROMIUM) && `${CHROMIUM} is missing: install Debian's package chromium`;

describe("the snippet", { skip: missing, concurrency: 2 }, () => {
  const expected = {};
  let browser;
  before(async () => {
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    if (process.env.HEADWATER_EXPECTED) writeFileSync(process.env.HEADWATER_EXPECTED, JSON.stringify(expected));
  });

  for (const row of ROWS) {
    test(row.claim, async () => {
      assert.ok(!(slug(row.claim) in expected), "another row has this name");
      expected[slug(row.claim)] = row.stores ?? row.sends;
      await new Visit(row, browser).run();
    });
  }
});
