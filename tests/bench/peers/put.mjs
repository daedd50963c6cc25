/** The floor of direct delivery: parses the beacons and puts each as a record, in one unsigned call of Firehose. */

import { textOf } from "./text.mjs";

const encoder = new TextEncoder();
const HEADERS = { "content-type": "application/x-amz-json-1.1", "x-amz-target": "Firehose_20150804.PutRecordBatch" };

export default {
  async fetch(request, env) {
    const document = JSON.parse(await textOf(request));
    const beacons = Array.isArray(document) ? document : [document];
    const Records = beacons.map((beacon) => ({ Data: encoder.encode(`${JSON.stringify(beacon)}\n`).toBase64() }));
    const body = JSON.stringify({ DeliveryStreamName: "events", Records });
    const answer = await fetch(env.AWS_ENDPOINT_URL, { method: "POST", headers: HEADERS, body });
    return new Response(null, { status: (await answer.json()).FailedPutCount === 0 ? 204 : 503 });
  },
};
