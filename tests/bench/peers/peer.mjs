/**
 * The collector that a good engineer would write in JavaScript for Workers, with the usual packages.
 *
 * It validates each beacon with ajv (compiled ahead), reads the user agent with ua-parser-js (remembered), parses the
 * addresses, and puts the events in aggregated records with aws4fetch. Failed beacons go to a stream of their own. With
 * the binding SHARD a Durable Object removes duplicates, assigns sessions, and puts what came within 100 ms in one
 * call, while its callers wait. It answers after Firehose has, as Headwater does.
 *
 * It does not store anything, retry, spill, check the events' own schemas, or repair values.
 */

import { DurableObject } from "cloudflare:workers";
import { AwsClient } from "aws4fetch";
import { UAParser } from "ua-parser-js";
import { textOf } from "./text.mjs";
import validate from "./validate.mjs";

const LINGER_MS = 100;
const MAX_BATCH = 1024 * 1024;
/** In characters, of at most three bytes each: Firehose takes records of 1,024,000 bytes. */
const MAX_RECORD = 330_000;
const MAX_BODY_BYTES = 256_000;
const SESSION_MS = 30 * 60 * 1000;
const MAX_IDS = 262_144;
const MAX_DEVICES = 20_000;
const MAX_AGENTS = 1_000;
const CAMPAIGN = ["utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "gclid"];

const encoder = new TextEncoder();

/** A map that forgets the older half of its keys when it is full. */
class Remembered {
  #young = new Map();
  #old = new Map();

  /** @param {number} size at most so many keys are kept */
  constructor(size) {
    this.half = size / 2;
  }

  get(key) {
    return this.#young.get(key) ?? this.#old.get(key);
  }

  set(key, value) {
    if (this.#young.size >= this.half) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }

  delete(key) {
    this.#young.delete(key);
    this.#old.delete(key);
  }
}

const agents = new Remembered(MAX_AGENTS);

/** The columns of a user agent. */
function agentOf(text) {
  let columns = agents.get(text);
  if (!columns) {
    const { browser, os, device } = UAParser(text);
    columns = {
      user_agent: text,
      browser: browser.name,
      browser_version: browser.version,
      os: os.name,
      os_version: os.version,
      device_class: device.type ?? "desktop",
      device_model: device.model,
    };
    agents.set(text, columns);
  }
  return columns;
}

/** The columns that all events of a request share. */
function sharedColumns(request, now) {
  const received_at = new Date(now).toISOString();
  const cf = request.cf ?? {};
  const ip = request.headers.get("cf-connecting-ip")?.replace(/\.\d+$/, ".0");
  return {
    received_at,
    date: received_at.slice(0, 10),
    hour: now / 3_600_000 % 24 | 0,
    ip,
    country: cf.country,
    region: cf.region,
    city: cf.city,
    continent: cf.continent,
    timezone: cf.timezone,
    colo: cf.colo,
    asn: cf.asn,
    as_organization: cf.asOrganization,
    ...agentOf(request.headers.get("user-agent") ?? ""),
  };
}

/** Adds the columns of an address: the page's, or that of the page before. */
function addAddress(event, prefix, text) {
  let url;
  try {
    url = new URL(text);
  } catch {
    return;
  }
  event[prefix] = url.href;
  event[`${prefix}_host`] = url.hostname;
  if (prefix !== "url") return;
  event.url_path = url.pathname;
  if (!url.search) return;
  for (const name of CAMPAIGN) {
    const value = url.searchParams.get(name);
    if (value) event[name] = value;
  }
}

/** Adds the two numbers of a size such as 1280x720. */
function addSize(event, prefix, text) {
  const cross = text.indexOf("x");
  event[`${prefix}_width`] = Number(text.slice(0, cross));
  event[`${prefix}_height`] = Number(text.slice(cross + 1));
}

/** The event of a valid beacon. */
function enrich(beacon, index, shared) {
  const time = beacon.time === undefined ? undefined : new Date(beacon.time).toISOString();
  const event = {
    v: 1,
    event_id: beacon.id ?? crypto.randomUUID(),
    tenant: "default",
    name: beacon.name,
    level: beacon.level ?? "low",
    occurred_at: time ?? shared.received_at,
    client_time: time,
    event_index: index,
    seq: beacon.seq,
    device_id: beacon.device_id,
    user_id: beacon.user_id,
    build: beacon.build,
    ...shared,
    language: beacon.language,
    title: beacon.title?.trim(),
  };
  if (beacon.url) addAddress(event, "url", beacon.url);
  if (beacon.referrer) addAddress(event, "referrer", beacon.referrer);
  if (beacon.screen) addSize(event, "screen", beacon.screen);
  if (beacon.viewport) addSize(event, "viewport", beacon.viewport);
  event.props = beacon.props;
  event.metadata = beacon.metadata;
  return event;
}

/** The line of a beacon that breaks a rule. */
function failedLine(beacon, error, shared) {
  const { received_at, date, hour, ip, user_agent } = shared;
  const code = error.keyword;
  const { instancePath: pointer, message } = error;
  const event_id = beacon?.id ?? crypto.randomUUID();
  return `${JSON.stringify({ v: 1, event_id, received_at, date, hour, ip, user_agent, code, pointer, message, original: JSON.stringify(beacon) })}\n`;
}

let aws;

/** Puts lines in as few records as can be; whether all were taken. */
async function put(env, stream, lines) {
  if (lines.length === 0) return true;
  aws ??= new AwsClient({
    accessKeyId: env.AWS_ACCESS_KEY_ID,
    secretAccessKey: env.AWS_SECRET_ACCESS_KEY,
    region: env.AWS_REGION,
    service: "firehose",
    retries: 0,
  });
  const records = [];
  let record = "";
  for (const line of lines) {
    if (record && record.length + line.length > MAX_RECORD) {
      records.push(record);
      record = "";
    }
    record += line;
  }
  records.push(record);
  const body = JSON.stringify({
    DeliveryStreamName: stream,
    Records: records.map((text) => ({ Data: encoder.encode(text).toBase64() })),
  });
  const headers = { "content-type": "application/x-amz-json-1.1", "x-amz-target": "Firehose_20150804.PutRecordBatch" };
  try {
    const answer = await aws.fetch(env.AWS_ENDPOINT_URL, { method: "POST", headers, body });
    return answer.ok && (await answer.json()).FailedPutCount === 0;
  } catch {
    return false;
  }
}

/** Puts events and failed events, each in their stream; whether all were taken. */
async function deliver(env, lines, failed) {
  const taken = await Promise.all([put(env, "events", lines), put(env, "failed", failed)]);
  return taken.every(Boolean);
}


async function events(request, env) {
  const cors = {
    "access-control-allow-origin": request.headers.get("origin") ?? "*",
    "access-control-allow-credentials": "true",
    vary: "origin",
  };
  if (Number(request.headers.get("content-length")) > MAX_BODY_BYTES) return new Response(null, { status: 413, headers: cors });
  let document;
  try {
    document = JSON.parse(await textOf(request));
  } catch {
    return new Response("the body is not JSON", { status: 400, headers: cors });
  }
  const beacons = Array.isArray(document) ? document : document.events ?? [document];
  const shared = sharedColumns(request, Date.now());
  const entries = [], failed = [], verdicts = [];
  beacons.forEach((beacon, index) => {
    if (validate(beacon)) entries.push(enrich(beacon, index, shared));
    else {
      const [error] = validate.errors;
      failed.push(failedLine(beacon, error, shared));
      verdicts.push({ index, pointer: error.instancePath, message: error.message });
    }
  });
  const durable = env.SHARD ? await toShard(env, entries, failed) : await deliver(env, entries.map((event) => `${JSON.stringify(event)}\n`), failed);
  if (!durable) return new Response(null, { status: 503, headers: { ...cors, "retry-after": "1" } });
  return verdicts.length ? Response.json({ failed: verdicts }, { headers: cors }) : new Response(null, { status: 204, headers: cors });
}

/** Hands events to the shard as text, with the three columns that it needs, so that it parses no event again. */
function toShard(env, events, failed) {
  const shard = env.SHARD.get(env.SHARD.idFromName("0"));
  return shard.add(
    events.map((event) => event.event_id),
    events.map((event) => event.device_id),
    events.map((event) => event.occurred_at),
    events.map((event) => JSON.stringify(event)),
    failed,
  );
}

export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    if (pathname === "/healthz") return new Response("ok");
    if (pathname !== "/v1/events") return new Response(null, { status: 404 });
    if (request.method !== "POST") return new Response(null, { status: 405 });
    return events(request, env);
  },
};

/** Removes duplicates, assigns sessions and batches, all in memory. */
export class Shard extends DurableObject {
  #sessions = new Remembered(MAX_DEVICES);
  #seen = new Remembered(MAX_IDS);
  #batch = null;

  /** Adds events to the batch; whether the batch was delivered. */
  add(ids, devices, times, texts, failed) {
    const batch = (this.#batch ??= this.#open());
    for (let index = 0; index < ids.length; index++) {
      const id = ids[index];
      if (this.#seen.get(id)) continue;
      this.#seen.set(id, true);
      batch.ids.push(id);
      const line = `${texts[index].slice(0, -1)}${this.#session(devices[index], times[index])}}\n`;
      batch.lines.push(line);
      batch.size += line.length;
    }
    for (const line of failed) {
      batch.failed.push(line);
      batch.size += line.length;
    }
    if (batch.size >= MAX_BATCH) batch.close();
    return batch.delivered;
  }

  #open() {
    const batch = { ids: [], lines: [], failed: [], size: 0 };
    batch.delivered = new Promise((resolve) => {
      batch.close = () => {
        clearTimeout(timer);
        this.#batch = null;
        resolve(this.#deliver(batch));
      };
    });
    const timer = setTimeout(batch.close, LINGER_MS);
    return batch;
  }

  async #deliver(batch) {
    const delivered = await deliver(this.env, batch.lines, batch.failed);
    // The clients send them again.
    if (!delivered) for (const id of batch.ids) this.#seen.delete(id);
    return delivered;
  }

  /** The columns of the session, as the end of a JSON object. */
  #session(device, time) {
    if (device === undefined) return "";
    const at = Date.parse(time);
    let session = this.#sessions.get(device);
    if (!session || at - session.last > SESSION_MS) {
      session = { id: crypto.randomUUID(), index: (session?.index ?? 0) + 1, started: time, last: at };
    }
    session.last = Math.max(session.last, at);
    this.#sessions.set(device, session);
    return `,"session_id":"${session.id}","session_index":${session.index},"session_started_at":"${session.started}"`;
  }
}
