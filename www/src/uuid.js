/**
 * A UUID of version 7 (RFC 9562, section 5.7). Its randomness need not be secret, and where the page is not a secure
 * context there is no `crypto.randomUUID`.
 *
 * @param {number} time milliseconds since the epoch
 */
export const uuid = (time) => {
  const stamp = "0" + time.toString(16);
  return "xxxxxxxx-xxxx-7xxx-8xxx-xxxxxxxxxxxx".replace(
    /x/g,
    (_, /** @type {number} */ at) => stamp[at - +(at > 8)] || ((Math.random() * 16) | 0).toString(16),
  );
};
