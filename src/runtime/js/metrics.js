// Writes a point to Workers Analytics Engine.

/**
 * @param {{ METRICS: { writeDataPoint(point: object): void } }} env
 * @param {string} index the key by which points are sampled
 * @param {string} texts the blobs, one per line
 * @param {Float64Array} numbers the doubles
 * @throws if the point breaks a limit
 */
export function writePoint(env, index, texts, numbers) {
  env.METRICS.writeDataPoint({ indexes: [index], blobs: texts.split("\n"), doubles: Array.from(numbers) });
}
