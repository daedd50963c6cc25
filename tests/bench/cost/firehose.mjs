/**
 * A Firehose that takes everything, 5 ms after it came. It prints its port and runs until its standard input ends.
 *
 * It counts the records, since the answer has an entry for each, and checks nothing: it must not be what is measured.
 * Over plain sockets, because node:http costs several times as much.
 */

import { createServer } from "node:net";

const ANSWER_MS = 5;
const ENTRY = JSON.stringify({ RecordId: "0".repeat(224) });

const answers = new Map();

/** The whole response to a call of so many records. */
function answer(records) {
  let whole = answers.get(records);
  if (!whole) {
    const body = `{"FailedPutCount":0,"Encrypted":false,"RequestResponses":[${Array(records).fill(ENTRY)}]}`;
    whole = Buffer.from(`HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    answers.set(records, whole);
  }
  return whole;
}

function count(body, text) {
  let found = 0;
  for (let at = body.indexOf(text); at >= 0; at = body.indexOf(text, at + text.length)) found++;
  return found;
}

const server = createServer({ noDelay: true }, (socket) => {
  let parts = [], size = 0, needed = 0;
  socket.on("error", () => socket.destroy());
  socket.on("data", (bytes) => {
    parts.push(bytes);
    size += bytes.length;
    if (size < needed) return;
    const call = parts.length === 1 ? bytes : Buffer.concat(parts);
    parts = [call];
    if (!needed) {
      const end = call.indexOf("\r\n\r\n");
      if (end < 0) return;
      const length = /^content-length: *(\d+)/im.exec(call.toString("latin1", 0, end));
      if (!length) throw new Error("a call without a content-length");
      needed = end + 4 + Number(length[1]);
      if (size < needed) return;
    }
    // A caller waits for the answer before it calls again.
    const whole = answer(count(call, '"Data"'));
    parts = [];
    size = needed = 0;
    setTimeout(() => socket.writable && socket.write(whole), ANSWER_MS);
  });
});
server.listen({ port: 0, host: "127.0.0.1", backlog: 1024 }, () => console.log(server.address().port));
process.stdin.on("end", () => process.exit()).resume();
