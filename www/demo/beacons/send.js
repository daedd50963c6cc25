// Sends: each of these ends as a reply, whatever the network does.

import { within } from "../deadline.js";
import { EVENTS } from "./beacons.js";

/** @typedef {import("./beacons.js").Sending} Sending */
/** @typedef {{ status: number, retryAfter: string | null, text: string } | { broken: string }} Reply */

const ANSWER_MS = 30_000;
/** The Fetch standard lets the keepalive requests of a page carry 64 KiB at once. */
const KEEPALIVE_BYTES = 60_000;

/**
 * An image that a page already has is not asked for again, whatever its headers say; so only the first
 * attempt at a pixel is an image.
 * @param {Sending} sending
 * @param {number} attempt from 1
 * @returns {Promise<Reply>}
 */
export async function send({ bytes, type, pixel }, attempt) {
  try {
    if (bytes) return await exchange(EVENTS, posting(bytes, type));
    return await (attempt === 1 ? image(pixel) : exchange(pixel, {}));
  } catch (error) {
    const broken = error instanceof Error && error.name !== "AbortError" ? error.message : "no answer in time";
    return { broken };
  }
}

/**
 * Bytes rather than a text, so that a request without a content type can be made.
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @param {string} type
 * @returns {RequestInit}
 */
function posting(bytes, type) {
  const headers = type ? { "content-type": type } : undefined;
  return { method: "POST", headers, body: bytes, keepalive: bytes.length <= KEEPALIVE_BYTES };
}

/**
 * @param {string} address
 * @param {RequestInit} init
 * @returns {Promise<Reply>}
 */
async function exchange(address, init) {
  return within(ANSWER_MS, async (signal) => {
    const response = await fetch(address, { ...init, credentials: "omit", cache: "no-store", signal });
    const text = init.method === "POST" ? await response.text() : "";
    return { status: response.status, retryAfter: response.headers.get("retry-after"), text };
  });
}

/**
 * An image shows itself even with an error's status; the browser's timing tells the status.
 * @param {string} address
 * @returns {Promise<Reply>}
 */
async function image(address) {
  performance.clearResourceTimings();
  await within(
    ANSWER_MS,
    (signal) =>
      new Promise((done, fail) => {
        const shown = new Image();
        shown.onload = shown.onerror = done;
        signal.addEventListener("abort", () => fail(new DOMException("", "AbortError")));
        shown.src = address;
      }),
  );
  const status = await pixelStatus(new URL(address, location.href).href);
  return status ? { status, retryAfter: null, text: "" } : { broken: "the browser knows no status of the image" };
}

/** @param {string} address */
async function pixelStatus(address) {
  for (let tries = 0; tries < 5; tries++) {
    const [timing] = performance.getEntriesByName(address, "resource").slice(-1);
    if (timing) return /** @type {{ responseStatus?: number }} */ (timing).responseStatus ?? 0;
    await new Promise((done) => setTimeout(done, 20));
  }
  return 0;
}
