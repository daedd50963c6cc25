// A point of Workers Analytics Engine.

/**
 * @param {{ METRICS: { writeDataPoint(point: object): void } }} env
 * @param {string} index by which points are sampled
 * @param {string} texts the blobs, a line each
 * @param {Float64Array} numbers the doubles
 * @throws where the point is not as it may be
 */
export function writePoint(env, index, texts, numbers) {
  env.METRICS.writeDataPoint({ indexes: [index], blobs: texts.split("\n"), doubles: Array.from(numbers) });
}
