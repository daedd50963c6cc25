// What the snippet keeps in a browser: events in IndexedDB, and who it is in localStorage.

/** Runs in the page: how many events wait in its origin's storage. */
async function waiting() {
  // It has the name of where they go, and to open what is not there would make it.
  const { name } = (await indexedDB.databases()).find((each) => each.name.endsWith("/v1/events?key=pk_1")) ?? {};
  if (!name) return 0;
  const database = await new Promise((resolve, reject) => {
    const request = indexedDB.open(name);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  const counts = [...database.objectStoreNames].map(
    (store) =>
      new Promise((resolve, reject) => {
        const request = database.transaction(store).objectStore(store).count();
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      }),
  );
  const sum = (await Promise.all(counts)).reduce((one, other) => one + other, 0);
  database.close();
  return sum;
}

/** How many events wait in the storage of a page's origin. */
export const stored = (page) => page.evaluate(waiting);

/** Waits until as many events wait there. */
export async function untilStored(page, count) {
  const deadline = Date.now() + 120_000;
  let found;
  while ((found = await stored(page)) !== count) {
    if (Date.now() > deadline) throw new Error(`${found} events wait, not ${count}`);
    await page.waitForTimeout(20);
  }
}

/** Waits until nothing waits there, and no page of the origin sends. */
export async function untilIdle(page) {
  await untilStored(page, 0);
  await page.evaluate(async () => {
    while ((await navigator.locks.query()).held.length) await new Promise((resolve) => setTimeout(resolve, 10));
  });
}

/** Everything that a page's origin stores: keys, names of databases, cookies. */
export const everything = (page) =>
  page.evaluate(async () => [
    ...Object.keys(localStorage),
    ...Object.keys(sessionStorage),
    ...(await indexedDB.databases()).map(({ name }) => name),
    ...(await caches.keys()),
    ...document.cookie.split("; ").filter(Boolean),
  ]);
