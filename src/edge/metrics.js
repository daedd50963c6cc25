// Points of Workers Analytics Engine, where METRICS is bound.

/**
 * How much of a stream waits in a shard's spill.
 *
 * @param {{ METRICS?: { writeDataPoint(point: object): void } }} env
 * @param {string} shard
 * @param {string} stream
 * @param {Float64Array} depth records, their bytes, the age of the oldest in seconds, records set aside
 */
export function spillDepth(env, shard, stream, depth) {
  env.METRICS?.writeDataPoint({ indexes: [stream], blobs: ["spill", stream, shard], doubles: Array.from(depth) });
}
