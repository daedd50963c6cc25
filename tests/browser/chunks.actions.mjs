// What a person does on pages with the snippet's chunks: a table of actions, with the events that must follow, in
// their order. No other may.

import assert from "node:assert/strict";

const between = (low, high) => (value) => value >= low && value <= high;
const integer = (low, high) => (value) => Number.isInteger(value) && between(low, high)(value);
const absent = (value) => value === undefined;

export const leave = (page) => page.goto(new URL("/away", page.url()).href);
/** Playwright would wait for a load, and out of the back/forward cache there is none. A page in that cache answers no more. */
const back = (page) => page.evaluate("void setTimeout(() => history.back())");
const wait = (milliseconds) => (page) => page.waitForTimeout(milliseconds);
const inTurn = (...acts) => async (page) => {
  for (const act of acts) await act(page);
};
const run = (script) => (page) => page.evaluate(script);
/** As a browser does when its person turns to another tab, and back; a script of the page. */
const turning = (state) => `{
  const is = (value) => ({ value, configurable: true });
  Object.defineProperties(Document.prototype, { visibilityState: is("${state}"), hidden: is(${state === "hidden"}) });
  document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
}`;
const turn = (state) => run(turning(state));

/** Until something is on the screen, and what is reported for it a little later has been reported. */
const painted = inTurn(
  (page) => page.waitForFunction(() => performance.getEntriesByName("first-contentful-paint").length),
  wait(400),
);
const shift = inTurn(run("document.querySelector('p').style.marginTop = '200px'"), wait(300));
const slow = "<button onclick='for (const end = performance.now() + 120; performance.now() < end;);'>Slow</button>";

const VITALS = [
  {
    claim: "a page that stays in sight sends nothing",
    does: painted,
    sees: [],
  },
  {
    claim: "a page that is left sends all that it knows at once",
    does: inTurn(painted, leave),
    sees: [
      [
        "web_vitals",
        {
          ttfb_ms: integer(0, 5_000),
          fcp_ms: integer(1, 10_000),
          lcp_ms: integer(1, 10_000),
          cls: 0,
          inp_ms: absent,
          kind: "navigate",
        },
      ],
    ],
  },
  {
    claim: "a slow answer to a click and a shift are measured",
    body: `<p>Text</p>${slow}`,
    does: inTurn(painted, shift, (page) => page.getByRole("button").click(), wait(300), leave),
    sees: [["web_vitals", { inp_ms: integer(120, 10_000), cls: (value) => value > 0 && value === +value.toFixed(4) }]],
  },
  {
    claim: "a view out of the back/forward cache is measured for itself",
    body: `<p>Text</p>${slow}`,
    does: inTurn(painted, (page) => page.getByRole("button").click(), wait(300), leave, back, painted, leave),
    sees: [
      ["web_vitals", { kind: "navigate", inp_ms: integer(120, 10_000) }],
      ["web_vitals", { kind: "back_forward_cache", lcp_ms: integer(0, 10_000), ttfb_ms: absent, inp_ms: absent }],
    ],
  },
  {
    claim: "out of sight again, only what has changed is worth another event, which tells all",
    does: inTurn(painted, turn("hidden"), turn("visible"), turn("hidden"), turn("visible"), shift, turn("hidden")),
    sees: [
      ["web_vitals", { cls: 0, fcp_ms: integer(1, 10_000) }],
      ["web_vitals", { cls: (value) => value > 0, fcp_ms: integer(1, 10_000), ttfb_ms: integer(0, 5_000) }],
    ],
  },
  {
    claim: "what was measured of one address is not reported for another",
    does: inTurn(painted, run("history.pushState(null, '', '/other')"), leave),
    sees: [["web_vitals", {}, /\/what-was-measured/]],
  },
];

/** The points of a path: [milliseconds, x, y]. */
export const points = (deltas) => {
  let last = [0, 0, 0];
  return Array.from({ length: deltas.length / 3 }, (_, index) => (last = last.map((value, part) => value + deltas[3 * index + part])));
};
const places = (deltas) => points(deltas).map(([, x, y]) => [x, y]);
const move = (x, y) => inTurn((page) => page.mouse.move(x, y), wait(150));
/** Moves without a pause; a step a frame. */
const wander = (milliseconds) => async (page) => {
  const end = Date.now() + milliseconds;
  for (let step = 0; Date.now() < end; step++) await page.mouse.move(300 + 200 * Math.sin(step / 20), 300 + 200 * Math.cos(step / 31));
};
const sums = (expected) => (deltas) => assert.deepEqual(places(deltas), expected) ?? true;

/** Where the pointer goes, so that its path can be drawn again; test_chunks.py knows it too. */
const ROUTE = [
  [40, 50],
  [400, 120],
  [380, 500],
  [10, 15],
];
const tall = "<div style='height: 5000px'>Tall</div>";

const POINTER = [
  {
    claim: "before the first movement nothing is done",
    does: async (page) => {
      await run(`for (const name of ["requestAnimationFrame", "setTimeout"]) {
        const original = window[name];
        window.calls = 0;
        window[name] = (...values) => (calls++, original(...values));
      }`)(page);
      await wait(300)(page);
      assert.equal(await page.evaluate("calls"), 0);
      await leave(page);
    },
    sees: [],
  },
  {
    claim: "a path can be drawn again",
    does: inTurn(...ROUTE.map(([x, y]) => move(x, y)), leave),
    sees: [["pointer", { kind: "mouse", deltas: sums(ROUTE), presses: absent, scrolls: absent }]],
  },
  {
    claim: "a press is marked where it was",
    does: inTurn(move(40, 50), move(90, 50), (page) => page.mouse.down(), (page) => page.mouse.up(), move(95, 60), leave),
    sees: [["pointer", { deltas: sums([[40, 50], [90, 50], [90, 50], [95, 60]]), presses: (value) => assert.deepEqual(value, [2]) ?? true }]],
  },
  {
    claim: "while it moves there are at most twenty points a second, a hundred a batch",
    does: inTurn(wander(8_000), wait(150), leave),
    sees: [
      [
        "pointer",
        {
          deltas: (deltas) => {
            const times = points(deltas).map(([time]) => time);
            assert.equal(times.length, 100);
            assert.ok(times.every((time, index) => !index || time >= times[index - 1]));
            // A hundred points have ninety-nine gaps, which frames may make a little uneven.
            return between(4_800, 8_500)(times[99] - times[0]);
          },
        },
      ],
      ["pointer", { deltas: (deltas) => between(1, 80)(deltas.length / 3) }],
    ],
  },
  {
    claim: "a batch waits for more no longer than ten seconds",
    does: inTurn(move(40, 50), wait(10_000)),
    sees: [["pointer", { deltas: sums([[40, 50]]) }]],
  },
  {
    claim: "a pointer that rests sends nothing more, whatever moves under it",
    body: "<p>Text</p>",
    does: inTurn(move(40, 50), shift, wait(300), leave),
    sees: [["pointer", { deltas: sums([[40, 50]]) }]],
  },
  {
    claim: "what is scrolled is reported with its own path",
    body: tall,
    does: inTurn(run("scrollTo(0, 700)"), wait(150), run("scrollTo(0, 300)"), wait(150), leave),
    sees: [["pointer", { kind: absent, deltas: absent, scrolls: sums([[0, 700], [0, 300]]) }]],
  },
  {
    claim: "places are those of the page, not of the window",
    body: tall,
    does: inTurn(run("scrollTo(0, 700)"), wait(150), move(40, 50), leave),
    sees: [["pointer", { kind: "mouse", deltas: sums([[40, 750]]), scrolls: sums([[0, 700]]) }]],
  },
  {
    claim: "a tap is a touch",
    touch: true,
    does: inTurn((page) => page.touchscreen.tap(70, 80), wait(150), leave),
    sees: [["pointer", { kind: "touch", deltas: sums([[70, 80]]), presses: (value) => value.join() === "0" }]],
  },
  {
    claim: "a pointer of an unknown kind has none",
    does: inTurn(
      run(`for (const [pageX, type] of [[70, "pointermove"], [80, "pointerdown"]])
        dispatchEvent(new PointerEvent(type, { pointerType: "puck", isPrimary: true, clientX: pageX, clientY: 90 }))`),
      leave,
    ),
    sees: [["pointer", { kind: absent, deltas: sums([[80, 90]]), presses: (value) => value.join() === "0" }]],
  },
  {
    claim: "what moved on one address is not reported for another",
    does: inTurn(move(40, 50), run("history.pushState(null, '', '/other')"), move(60, 50), leave),
    sees: [
      ["pointer", { deltas: sums([[40, 50]]) }, /\/what-moved/],
      ["pointer", { deltas: sums([[60, 50]]) }, /\/other$/],
    ],
  },
];

/** One character of two UTF-16 units. */
const FACE = "\u{1f600}";
const sound = (attributes = "") => `<audio id="clip" src="/sound.wav" ${attributes}></audio>`;
/**
 * Plays the sound, and does each act once it was played so far, in seconds: `play([0.5, "media.pause()"])`. All of it is one
 * call, which ends with the last act. The sound plays on between two calls, so that a second one could come too late.
 */
const play = (...acts) => run(playing(acts));
/** Plays the sound to its end. */
const playOut = (...acts) => run(playing(acts, "if (!media.ended) await new Promise((done) => (media.onended = done));"));
const playing = (acts, last = "") => `(async () => {
  const media = document.querySelector("audio");
  const until = (seconds) => new Promise((done) => {
    media.ontimeupdate = () => media.currentTime >= seconds && done();
  });
  await media.play();
  ${acts.map(([seconds, act]) => `await until(${seconds}); ${act};`).join("\n")}
  ${last}
})()`;
const progress = [25, 50, 75, 95].map((percent) => ["video_progress", { video_id: "clip", percent, watched_s: between(percent / 50 - 0.1, 2) }]);
const started = ["video_start", { video_id: "clip", position_s: between(0, 0.3), duration_s: 2, autoplay: false }];
const paused = (watched, position = watched) => ["video_pause", { video_id: "clip", position_s: position, watched_s: watched, ended: false }];
const finished = ["video_pause", { position_s: 2, ended: true, watched_s: between(1.7, 2) }];

/** What draws a film, records it and shows it in the page's video. */
const film = run(`{
  globalThis.drawn = () => {
    const canvas = document.createElement("canvas");
    const context = canvas.getContext("2d");
    setInterval(() => context.fillRect(Math.random() * 100, 0, 20, 20), 20);
    return canvas.captureStream(25);
  };
  globalThis.recorded = (milliseconds) =>
    new Promise((done) => {
      const recorder = new MediaRecorder(drawn(), { mimeType: "video/webm;codecs=vp8" });
      recorder.ondataavailable = ({ data }) => done(data);
      recorder.start();
      setTimeout(() => recorder.stop(), milliseconds);
    });
  globalThis.show = (source) => Object.assign(document.querySelector("video"), source).play();
}`);

const VIDEO = [
  {
    claim: "what does not play is not reported",
    body: sound("preload='auto' controls"),
    does: inTurn(wait(300), run("document.querySelector('audio').currentTime = 1"), wait(300), leave),
    sees: [],
  },
  {
    claim: "a sound that plays to its end is reported with its marks",
    body: sound(),
    does: playOut(),
    sees: [started, ...progress, finished],
  },
  {
    claim: "a pause is reported, and that it goes on",
    body: sound("loop"),
    does: inTurn(play([0.5, "media.pause()"]), wait(300), play([0.7, ""]), leave),
    sees: [
      started,
      paused(between(0.5, 1.9)),
      ["video_start", { position_s: between(0.5, 2), autoplay: false }],
      paused(between(0.6, 60), between(0, 2)),
    ],
    but: ["video_progress"],
  },
  {
    claim: "what a seek leaves out is not watched, and its marks are not passed",
    body: sound(),
    does: playOut([0.1, "media.currentTime = 1.7"]),
    sees: [
      started,
      ["video_progress", { percent: 95, watched_s: between(0.2, 1.6) }],
      ["video_pause", { ended: true, watched_s: between(0.3, 1.6) }],
    ],
  },
  {
    claim: "once more is another view",
    body: sound(),
    does: inTurn(playOut(), playOut()),
    sees: [started, ...progress, finished, started, ...progress, finished],
  },
  {
    claim: "what is played again is watched again, and passes no mark again",
    body: sound(),
    does: play([0.5, "media.currentTime = 0.1"], [0.6, "media.pause()"]),
    sees: [started, progress[0], paused(between(0.9, 2.9), between(0.6, 1.9))],
  },
  {
    claim: "what loops is watched without an end",
    body: sound("loop"),
    does: inTurn(play(), wait(2_900), leave),
    sees: [started, paused(between(2.1, 60), between(0, 2))],
    but: ["video_progress"],
  },
  {
    claim: "what began by itself, before the chunk was there, is reported as such",
    body: sound("autoplay loop"),
    late: true,
    does: inTurn(wait(400), leave),
    sees: [
      ["video_start", { video_id: "clip", position_s: between(0.1, 2), autoplay: true }],
      paused(between(0.05, 2), between(0, 2)),
    ],
    but: ["video_progress"],
  },
  {
    claim: "a player that is added later is found, and is reported when it is taken away",
    does: inTurn(run(`document.body.insertAdjacentHTML("beforeend", \`${sound()}\`)`), play([0.1, "media.remove()"])),
    sees: [started, paused(between(0.1, 1.5))],
    but: ["video_progress"],
  },
  {
    claim: "a player is named by its mark, its id or its file, and one for itself",
    body: `<audio src="/sound.wav" id="b" data-hw-video="a"></audio>${sound()}<audio src="/sound.wav?token=x#t=0"></audio>`,
    does: run(`(async () => {
      for (const media of document.querySelectorAll("audio")) {
        await media.play();
        media.pause();
        await new Promise((done) => setTimeout(done, 200));
      }
    })()`),
    sees: ["a", "clip", "sound.wav"].flatMap((video_id) => [
      ["video_start", { video_id }],
      ["video_pause", { video_id }],
    ]),
  },
  {
    claim: "a name that is too long is cut between two characters",
    body: sound().replace('id="clip"', `data-hw-video=" x${"&#x1f600;".repeat(80)}" data-hw-ads=" 0-${"0".repeat(80)}1"`),
    does: play([0.3, "media.pause()"]),
    sees: [
      ["video_start", { video_id: `x${FACE.repeat(63)}` }],
      ["video_ad", { video_id: `x${FACE.repeat(63)}`, ad_id: `0-${"0".repeat(62)}` }],
      ["video_pause", { video_id: `x${FACE.repeat(63)}` }],
    ],
    but: ["video_progress"],
  },
  {
    claim: "a data: address names no player",
    body: "<audio id=' '></audio>",
    does: inTurn(
      run(`fetch("/sound.wav").then((answer) => answer.bytes()).then((bytes) => {
        document.querySelector("audio").src = "data:audio/wav;base64," + bytes.toBase64();
      })`),
      play([0.1, "media.pause()"]),
    ),
    sees: [
      ["video_start", { video_id: "audio" }],
      ["video_pause", { video_id: "audio" }],
    ],
  },
  {
    claim: "another source in the same player is another video",
    body: "<audio src='/sound.wav'></audio>",
    does: inTurn(play([0.1, "media.src = '/other.wav'"]), play([0.1, "media.pause()"])),
    sees: [
      ["video_start", { video_id: "sound.wav" }],
      ["video_pause", { video_id: "sound.wav", position_s: between(0.1, 1.5), watched_s: between(0.1, 1.5) }],
      ["video_start", { video_id: "other.wav", position_s: between(0, 0.2) }],
      ["video_pause", { video_id: "other.wav", watched_s: between(0.1, 1.5) }],
    ],
    but: ["video_progress"],
  },
  {
    claim: "what plays on out of sight is reported as paused, and again when it is seen",
    body: sound(),
    does: playOut([0.1, ["hidden", "visible", "hidden"].map(turning).join("\n")]),
    sees: [started, paused(between(0.1, 1.9)), ["video_start", {}], paused(between(0.1, 1.9)), finished],
    but: ["video_progress"],
  },
  {
    claim: "ads are reported by their seconds",
    body: sound("data-hw-ads='0-0.5, 1-1.6'"),
    does: playOut(),
    sees: [
      started,
      ["video_ad", { state: "start", ad_id: "0-0.5", position_s: between(0, 0.3) }],
      ["video_ad", { state: "end", ad_id: "0-0.5", position_s: between(0.5, 0.9) }],
      ["video_ad", { state: "start", ad_id: "1-1.6", position_s: between(1, 1.6) }],
      ["video_ad", { state: "end", ad_id: "1-1.6", position_s: between(1.6, 2) }],
      finished,
    ],
    but: ["video_progress"],
  },
  {
    claim: "ads are reported by their cues, and by no others; what ends the video ends its ad",
    body: sound(),
    does: inTurn(
      run(`const track = document.querySelector("audio").addTextTrack("metadata");
        for (const [from, to, id, text] of [[0.3, 0.9, "ad-7", "{}"], [0.3, 0.9, "chapter", "ad"], [1.2, 2, "", "ad spring"]])
          track.addCue(Object.assign(new VTTCue(from, to, text), { id }))`),
      playOut(),
    ),
    sees: [
      started,
      ["video_ad", { state: "start", ad_id: "ad-7", position_s: between(0.3, 0.85) }],
      ["video_ad", { state: "end", ad_id: "ad-7", position_s: between(0.9, 1.19) }],
      ["video_ad", { state: "start", ad_id: "ad spring" }],
      ["video_ad", { state: "end", ad_id: "ad spring", position_s: 2 }],
      finished,
    ],
    but: ["video_progress"],
  },
  {
    claim: "a video is reported as a sound is",
    body: "<video id='film' muted></video>",
    does: inTurn(film, run("recorded(1500).then((film) => show({ src: URL.createObjectURL(film) }))"), wait(300), leave),
    sees: [
      ["video_start", { video_id: "film", duration_s: between(0.5, 2) }],
      ["video_pause", { video_id: "film", watched_s: between(0.1, 2) }],
    ],
    but: ["video_progress"],
  },
  {
    claim: "what has no end has no marks, and what has no file has a name all the same",
    body: "<video muted></video>",
    does: inTurn(film, run("show({ srcObject: drawn() })"), wait(500), leave),
    sees: [
      ["video_start", { video_id: "video", duration_s: absent }],
      ["video_pause", { video_id: "video", duration_s: absent, watched_s: between(0.1, 2) }],
    ],
  },
];

// claim: in its page's address, too.  chunk: the chunk of the page.  body: what is on the page.  touch: whether it
// is a touch screen.  late: whether the chunk comes half a second later.  does: what a person does.  sees: each event's
// name and some of its props, a value or what must hold of it.  but: events that are looked away from.
export const ACTIONS = Object.entries({ vitals: VITALS, pointer: POINTER, video: VIDEO }).flatMap(([chunk, rows]) =>
  rows.map((row) => ({ chunk, body: "<p>Text</p>", but: [], ...row, path: "/" + row.claim.replace(/\W+/g, "-") })),
);
