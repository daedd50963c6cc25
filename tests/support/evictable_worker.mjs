// Serves a built worker as `wrangler dev` does, and evicts its Durable Objects on
// request: node evictable_worker.mjs CONFIG CLASS
import { createServer } from "node:http";
import { createRequire } from "node:module";

const HOST = "127.0.0.1";
const EVICTION_MS = 240_000;
const [config, className] = process.argv.slice(2);
const { unstable_DevEnv: DevEnv } = createRequire(import.meta.url)("wrangler");

const environment = new DevEnv();
environment.on("error", (error) => {
  console.error(error);
  process.exit(1);
});
const dev = { server: { hostname: HOST, port: 0 }, inspector: false, watch: false };
await environment.config.set({ config, dev: { ...dev, persist: "state" } }, true);
await environment.proxy.ready.promise;

// POST evicts every object that is in memory, once it has no request and no timer.
const control = createServer(async (request, response) => {
  const miniflare = environment.runtimes[0].mf;
  const script = environment.config.latestConfig.name;
  // Miniflare gives up after a while; an object that drains its spill is busy for longer on a slow machine.
  const deadline = Date.now() + EVICTION_MS;
  const evict = async (id) => {
    for (;;) {
      try {
        await miniflare.unsafeEvictDurableObject(script, className, { id });
        return 1;
      } catch (error) {
        if (String(error).includes("not currently running")) return 0;
        if (!String(error).includes("active references") || Date.now() > deadline) throw error;
      }
    }
  };
  try {
    const ids = await miniflare.listDurableObjectIds(className, script);
    const evicted = await Promise.all(ids.map(evict));
    response.end(JSON.stringify(evicted.reduce((sum, each) => sum + each, 0)));
  } catch (error) {
    response.writeHead(500).end(String(error.stack));
  }
});
control.listen(0, HOST, () => console.log(`Control on http://${HOST}:${control.address().port}`));
