/**
 * A UUID of version 7 (RFC 9562, section 5.7). Its randomness need not be secret, and where the page is not a secure
 * context there is no `crypto.randomUUID`.
 *
 * @param {number} time milliseconds since the epoch
 */
export const uuid = (time) =>
  ("0" + time.toString(16)).replace(/.{8}/, "$&-") +
  "-7xxx-8xxx-xxxxxxxxxxxx".replace(/x/g, () => ((Math.random() * 16) | 0).toString(16));
