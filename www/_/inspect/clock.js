// Times as they are written in the records: in UTC.

/** @param {string} instant @returns {string} hours, minutes and seconds */
export const clock = (instant) => new Date(instant).toISOString().slice(11, 19);

/** The same with the day, if it is another one than that of `now`. @param {string} instant @param {string} now */
export function moment(instant, now) {
  const [day, today] = [instant, now].map((time) => new Date(time).toISOString().slice(0, 10));
  return `${day === today ? "" : `${day} `}${clock(instant)} UTC`;
}
