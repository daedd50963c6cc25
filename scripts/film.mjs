// Makes the demo shop's film, www/demo/shop/film.webm: drawn on a canvas and recorded by Chromium as it plays.
//
//   node scripts/film.mjs

import { writeFileSync } from "node:fs";
import { chromium } from "playwright-core";

if (process.argv.includes("--help")) {
  console.log("usage: node scripts/film.mjs");
  process.exit();
}

const SECONDS = 12;
const FILM = "www/demo/shop/film.webm";

/** Runs in the page: draws tea being poured, with a card of an advertisement from the 2nd second to the 4th. */
async function record(seconds) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: 640, height: 360 });
  const pen = canvas.getContext("2d");
  const ease = (from, to, at) => (at <= from ? 0 : at >= to ? 1 : (1 - Math.cos((Math.PI * (at - from)) / (to - from))) / 2);
  const shape = (colour, path) => {
    pen.fillStyle = colour;
    pen.fill(new Path2D(path));
  };
  const words = (text, size, x, y, colour) => {
    pen.fillStyle = colour;
    pen.font = `600 ${size}px system-ui, sans-serif`;
    pen.textAlign = "center";
    pen.fillText(text, x, y);
  };
  const pot = (tilt) => {
    pen.save();
    pen.translate(250, 130);
    pen.rotate(tilt * 0.5);
    pen.strokeStyle = "#0a6a62";
    pen.lineWidth = 14;
    pen.stroke(new Path2D("M-62 -30C-120 -50-120 40-60 26"));
    shape("#0a6a62", "M-70 0C-70-60 70-60 70 0C70 60 40 66 0 66C-40 66-70 60-70 0M55 10L120-34L130-22L62 40");
    shape("#084f49", "M-34-46C-30-62 30-62 34-46ZM-8-58a8 8 0 1 1 16 0Z");
    pen.restore();
  };
  const cup = (full) => {
    pen.save();
    pen.beginPath();
    pen.rect(330, 328 - 78 * full, 140, 90);
    pen.clip();
    shape("#b9a03a", "M345 250L455 250C452 305 440 322 400 322C360 322 348 305 345 250");
    pen.restore();
    pen.strokeStyle = "#4d5f5c";
    pen.lineWidth = 6;
    pen.stroke(new Path2D("M340 246C344 312 356 328 400 328C444 328 456 312 460 246"));
  };
  const steam = (at, strength) => {
    pen.globalAlpha = 0.5 * strength;
    pen.strokeStyle = "#7b8f8b";
    pen.lineWidth = 5;
    for (const offset of [-24, 0, 24]) {
      pen.beginPath();
      for (let rise = 0; rise < 70; rise += 5) pen.lineTo(400 + offset + 7 * Math.sin(rise / 13 + at * 2 + offset), 232 - rise);
      pen.stroke();
    }
    pen.globalAlpha = 1;
  };
  const draw = (at) => {
    pen.fillStyle = "#edf3f1";
    pen.fillRect(0, 0, 640, 360);
    pen.fillStyle = "#d3dfdc";
    pen.fillRect(0, 330, 640, 30);
    const tilt = ease(0.5, 1.5, at) - ease(8, 9, at);
    const full = ease(4, 8, at) * 0.8 + ease(1.5, 2, at) * 0.1;
    if (tilt > 0.95) {
      pen.strokeStyle = "#b9a03a";
      pen.lineWidth = 7;
      pen.stroke(new Path2D("M374 166C392 190 396 220 398 320"));
    }
    cup(full);
    pot(tilt);
    steam(at, ease(8, 10, at));
    words("Two minutes, eighty degrees", 22, 320, 40, "#10201e");
    const card = ease(2, 2.3, at) - ease(3.7, 4, at);
    if (card > 0) {
      pen.globalAlpha = card;
      pen.fillStyle = "#10201e";
      pen.fillRect(0, 0, 640, 360);
      words("Advertisement", 18, 320, 120, "#9db2ae");
      words("A kettle that waits for you", 34, 320, 190, "#e3efec");
      pen.globalAlpha = 1;
    }
  };
  draw(0);
  const recorder = new MediaRecorder(canvas.captureStream(20), { mimeType: "video/webm;codecs=vp8", videoBitsPerSecond: 90_000 });
  const parts = [];
  recorder.ondataavailable = ({ data }) => parts.push(data);
  const ended = new Promise((done) => (recorder.onstop = done));
  recorder.start();
  const begun = performance.now();
  await new Promise((done) => {
    const frame = () => {
      const at = (performance.now() - begun) / 1000;
      draw(at);
      at < seconds ? requestAnimationFrame(frame) : done();
    };
    frame();
  });
  recorder.stop();
  await ended;
  return [...new Uint8Array(await new Blob(parts).arrayBuffer())];
}

const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
const page = await browser.newPage();
const film = Buffer.from(await page.evaluate(record, SECONDS));
await browser.close();
writeFileSync(FILM, film);
console.log(`film: ${FILM} has ${film.length} bytes and takes ${SECONDS} s`);
