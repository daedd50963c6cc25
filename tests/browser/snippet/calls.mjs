// What rows call in their pages, and what comes of it.

/** Waits until the snippet is there. */
export const begun = (page) => page.waitForFunction(() => window.headwater && !headwater.q);

/** Tracks as many events, with marks from 1 on. */
export const tracks = (page, name, count, props = {}) =>
  page.evaluate(
    ([name, count, props]) => {
      for (let mark = 1; mark <= count; mark++) headwater("track", name, { mark, ...props });
    },
    [name, count, props],
  );

/** What those events are, as `named` says it. */
export const marked = (name, count, path = "/") => Array.from({ length: count }, (_, index) => `${name} ${path} ${index + 1}`);
