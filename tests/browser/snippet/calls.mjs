// What rows call in their pages, and what comes of it.

/** Waits until the snippet is there, and what captures by itself, if it is asked for. */
export async function begun(page) {
  await page.waitForFunction(() => window.headwater && !headwater.q);
  await page.evaluate(async () => {
    if (!document.querySelector("script[data-auto]")) return;
    let chunk;
    const isChunk = ({ name }) => /\/t\.auto\.\w+\.js$/.test(name);
    while (!(chunk = performance.getEntriesByType("resource").find(isChunk))) await new Promise((resolve) => setTimeout(resolve, 10));
    // Once more it is the same one, which by then has begun.
    await import(chunk.name);
  });
}

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
