/**
 * Sends requests to a worker, as fast as it answers or by the clock. It must be light: it shares the machine with what is
 * measured. So all bytes are made before, and connections are plain sockets.
 *
 * Each line of the standard input is a command, and is answered by a line of JSON:
 *
 *   {"do": "make", "requests": N, "size": N, "gzip": false, "bad": 0}
 *                                                   makes requests of `size` beacons each; `bad` is a share of them
 *   {"do": "ids"}                                   returns the ids of the beacons that were made
 *   {"do": "open", "port": N, "connections": N}     opens connections
 *   {"do": "burst"}                                 sends all that was made, over all connections at once
 *   {"do": "clock", "rate": N}                      sends all that was made, so many a second
 *   {"do": "close"}                                 closes the connections
 */

import { connect } from "node:net";
import { createInterface } from "node:readline";
import { performance } from "node:perf_hooks";
import { gzipSync } from "node:zlib";
import { Beacons } from "./beacons.mjs";

const SEED = 15;
/** After it without an answer something is wrong, and the run must not hang. */
const PATIENCE_MS = 60_000;

const beacons = new Beacons(SEED);
let requests = [];
let expected = 204;
let connections = [];

/** Makes requests with unique beacons; returns the mean length of a body. */
function make({ requests: count, size, gzip = false, bad = 0 }) {
  let bytes = 0;
  beacons.ids = [];
  requests = Array.from({ length: count }, () => {
    const plain = Buffer.from(beacons.body(size, bad));
    const body = gzip ? gzipSync(plain) : plain;
    const headers = { host: "127.0.0.1", ...beacons.headers(), ...(gzip && { "content-encoding": "gzip" }), "content-length": body.length };
    const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    bytes += body.length;
    return Buffer.concat([Buffer.from(`POST /v1/events HTTP/1.1\r\n${head.join("")}\r\n`), body]);
  });
  // The floors accept what is bad, so they may answer 204.
  expected = bad ? [200, 204] : [204];
  return { bytes: Math.round(bytes / count) };
}

/** A connection that is kept, with one request at a time. */
class Connection {
  #answered = null;
  #received = null;

  constructor(port) {
    this.socket = connect({ port, host: "127.0.0.1", noDelay: true });
    this.opened = new Promise((resolve, reject) => {
      this.socket.once("connect", resolve);
      this.socket.once("error", reject);
    });
    this.socket.on("data", (bytes) => this.#receive(bytes));
    this.socket.on("error", (error) => fail(error));
    this.socket.on("close", () => this.#answered && fail(new Error("the worker closed a connection before it answered")));
  }

  /** Sends a request; `answered` is called when the whole answer is there. */
  send(request, answered) {
    this.#answered = answered;
    this.socket.write(request);
  }

  #receive(bytes) {
    this.#received = this.#received ? Buffer.concat([this.#received, bytes]) : bytes;
    const status = statusOf(this.#received);
    if (!status) return;
    const [answer, answered] = [this.#received, this.#answered];
    this.#received = this.#answered = null;
    if (!expected.includes(status)) fail(new Error(`the worker answered: ${answer.toString("latin1", 0, 500)}`));
    else answered?.();
  }
}

/** The status of an answer that has come as a whole; 0 before that. */
function statusOf(answer) {
  const end = answer.indexOf("\r\n\r\n");
  if (end < 0) return 0;
  const status = Number(answer.toString("latin1", 9, 12));
  if (status === 204 && answer.length === end + 4) return status;
  const head = answer.toString("latin1", 0, end).toLowerCase();
  const length = /\ncontent-length: *(\d+)/.exec(head);
  const whole = length ? answer.length >= end + 4 + Number(length[1]) : answer.subarray(-5).toString("latin1") === "0\r\n\r\n";
  return whole ? status : 0;
}

async function open({ port, connections: count }) {
  close();
  connections = Array.from({ length: count }, () => new Connection(port));
  await Promise.all(connections.map((each) => each.opened));
  return {};
}

function close() {
  for (const each of connections) each.socket.destroy();
  connections = [];
  return {};
}

/** Each connection sends its next request as soon as it has an answer. */
async function burst() {
  let next = 0, left = requests.length;
  const started = performance.now();
  await answeredInTime(
    (done) => {
      const send = (connection) => {
        if (next >= requests.length) return;
        connection.send(requests[next++], () => {
          if (--left === 0) done();
          else send(connection);
        });
      };
      connections.forEach(send);
    },
    () => left,
  );
  return { seconds: (performance.now() - started) / 1e3 };
}

/**
 * Each request has its time in a schedule, and its answer is timed from there: what waits for a connection counts as
 * waiting. The connection that rested longest sends next, so that none rests until the worker closes it.
 */
async function clock({ rate }) {
  const idle = [...connections], waiting = [];
  const latencies = new Float64Array(requests.length), late = new Float64Array(requests.length);
  const start = performance.now() + 50;
  const due = (index) => start + (index * 1e3) / rate;
  let next = 0, left = requests.length;
  await answeredInTime(
    (done) => {
      const send = (connection, index) =>
        connection.send(requests[index], () => {
          latencies[index] = performance.now() - due(index);
          if (waiting.length) send(connection, waiting.shift());
          else idle.push(connection);
          if (--left === 0) done();
        });
      const tick = () => {
        const now = performance.now();
        for (; next < requests.length && due(next) <= now; next++) {
          late[next] = now - due(next);
          if (idle.length) send(idle.shift(), next);
          else waiting.push(next);
        }
        if (next < requests.length) setTimeout(tick, Math.max(0, due(next) - performance.now()));
      };
      tick();
    },
    () => left,
  );
  const rounded = (times) => Array.from(times, (time) => Math.round(time * 100) / 100);
  return { latencies: rounded(latencies), late: rounded(late) };
}

let fail = crash;

function crash(error) {
  console.log(JSON.stringify({ error: String(error?.message ?? error) }));
  process.exit(1);
}

/** Runs until `done` is called, or fails with the first mistake, or after a minute. */
async function answeredInTime(run, left) {
  let timer;
  try {
    await new Promise((resolve, reject) => {
      fail = reject;
      timer = setTimeout(() => reject(new Error(`${left()} requests have no answer after ${PATIENCE_MS / 1e3} s`)), PATIENCE_MS);
      run(resolve);
    });
  } finally {
    clearTimeout(timer);
    fail = crash;
  }
}

const COMMANDS = { make, ids: () => ({ ids: beacons.ids }), open, burst, clock, close };

process.on("uncaughtException", crash);
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  try {
    console.log(JSON.stringify(await COMMANDS[command.do](command)));
  } catch (error) {
    crash(error);
  }
}
process.exit();
