// What rows call in their pages, and what comes of it.

/** Runs in the page: the address of the chunk that captures by itself once it has come, or that none is asked for. */
const chunk = () =>
  !document.querySelector("script[data-auto]") ||
  performance.getEntriesByType("resource").find(({ name }) => /\.auto\.\w+\.js$/.test(name))?.name;

/** Waits until the snippet is there, and what captures by itself, if it is asked for. */
export async function begun(page) {
  // Functions, since a text would be evaluated at each look, which a page's policy may forbid.
  await page.waitForFunction(() => window.headwater && !headwater.q);
  const address = await (await page.waitForFunction(chunk)).jsonValue();
  // Once more it is the same one, which by then has begun.
  if (address !== true) await page.evaluate((address) => import(address), address);
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
