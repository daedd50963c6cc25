/** How many ids this page has made; starts anywhere. */
let made = Math.random() * 4096;

/**
 * A UUID of version 7 (RFC 9562, section 5.7), those of one page and millisecond in the order in which they
 * were made.
 *
 * @param {number} time milliseconds since the epoch
 */
export function uuid(time) {
  const stamp = time.toString(16).padStart(12, "0");
  const count = (++made & 4095).toString(16).padStart(3, "0");
  // Where the page is not secure there is no `randomUUID`.
  const random = "8000-100000000000".replace(/[018]/g, (digit) =>
    (+digit ^ (crypto.getRandomValues(new Uint8Array(1))[0] & (15 >> (+digit / 4)))).toString(16),
  );
  return `${stamp.slice(0, 8)}-${stamp.slice(8)}-7${count}-${random}`;
}
