/**
 * What is played of the page's HTML5 players, videos and sounds, whenever they were added; before it plays, a player
 * costs nothing.
 *
 * A video's id is its `data-hw-video`, its `id`, or the name of its file. Ads inside of it are the ranges of seconds
 * in its `data-hw-ads="10-25,60-75"`, and the cues of its metadata tracks whose id or text begins with `ad`.
 *
 * @typedef {(name: string, props: object) => void} Track
 */

import { cut } from "../text.js";

/** How far a video was played when that is told, in per cent. */
const MARKS = [25, 50, 75, 95];
const EVENTS = ["playing", "timeupdate", "seeking", "pause", "ended", "emptied"];
/** What was played out of sight for less than that is not worth a pause of its own, in seconds. */
const LITTLE = 1;
/** What the schemas allow for an id. */
const MOST_CHARACTERS = 64;

/** @param {number} seconds */
const rounded = (seconds) => Math.round(seconds * 100) / 100;

/**
 * The ad that plays now.
 *
 * @param {HTMLMediaElement} media
 * @returns {string | undefined}
 */
function adIn({ currentTime, dataset, ended, textTracks }) {
  if (ended) return;
  for (const range of dataset.hwAds?.split(",") || []) {
    const [from, to] = range.split("-");
    if (currentTime >= +from && currentTime < +to) return cut(range.trim(), MOST_CHARACTERS);
  }
  for (const { kind, activeCues } of textTracks)
    for (const cue of (kind == "metadata" && activeCues) || []) {
      const name = cue.id || /** @type {VTTCue} */ (cue).text;
      if (/^ad/.test(name)) return cut(name.trim(), MOST_CHARACTERS);
    }
}

/**
 * Follows a player from the first time that it plays.
 *
 * @param {HTMLMediaElement} media
 * @param {Track} track
 */
function follow(media, track) {
  let id = "";
  let playing = false;
  /** Whether it was told as paused, and plays on out of sight. */
  let left = false;
  /** The position up to which all is told, and the seconds played since the view began. */
  let position = 0;
  let watched = 0;
  /** What was watched when a pause was last told. */
  let told = 0;
  /** @type {number[]} */
  let marks = [];
  /** @type {string | undefined} */
  let ad;

  /**
   * @param {string} what
   * @param {object} props
   */
  const tell = (what, props) => {
    const { duration } = media;
    // A live stream has no end.
    const duration_s = duration < Infinity ? rounded(duration) || undefined : undefined;
    track("video_" + what, { video_id: id, position_s: rounded(position), duration_s, ...props });
  };
  const start = () => tell("start", { autoplay: media.autoplay && !watched });
  const pause = (ended = false) => {
    told = watched;
    tell("pause", { ended, watched_s: rounded(watched) });
  };

  const stop = (ended = false) => {
    if (playing && (!left || ended || watched - told > LITTLE)) pause(ended);
    playing = left = false;
    document.removeEventListener("visibilitychange", turn);
  };

  /** @param {Event} event */
  const look = ({ type }) => {
    if (type == "emptied") {
      // Another video comes, or none: what is known is the last position.
      stop();
      id = "";
      ad = undefined;
      return;
    }
    const { currentTime, duration, ended, paused, readyState, seeking } = media;
    const before = position;
    position = currentTime;
    if (playing && !seeking && type != "seeking" && position > before) {
      watched += position - before;
      marks = marks.filter((percent) => {
        const mark = (duration * percent) / 100;
        const passed = before <= mark && mark < position;
        if (passed) tell("progress", { percent, watched_s: rounded(watched) });
        return !passed;
      });
    }
    if (!playing && !paused && !ended && !seeking && readyState >= media.HAVE_FUTURE_DATA) {
      if (!id) {
        // A `data:` address holds the film itself and names no file.
        const file = media.currentSrc.replace(/^data:.*|[?#].*/, "").replace(/.*\//, "");
        const names = [media.dataset.hwVideo || "", media.id, file, media.localName];
        id = names.map((name) => cut(name.trim(), MOST_CHARACTERS)).find((name) => name) || "";
        marks = MARKS;
        watched = 0;
      }
      playing = true;
      document.addEventListener("visibilitychange", turn);
      start();
    }
    const now = playing && (!paused || ended) ? adIn(media) : ad;
    if (now != ad) {
      if (ad) tell("ad", { state: "end", ad_id: ad });
      if (now) tell("ad", { state: "start", ad_id: now });
      ad = now;
    }
    if (playing && (paused || ended)) {
      stop(ended);
      // Once more is another view.
      if (ended) id = "";
    }
  };

  /** @param {Event} event */
  const turn = (event) => {
    look(event);
    const { hidden } = document;
    if (!playing || hidden == left) return;
    left = hidden;
    if (hidden) pause();
    else start();
  };

  for (const type of EVENTS) media.addEventListener(type, look);
}

/** @param {Track} track */
export default function (track) {
  const followed = new WeakSet();
  /** @param {Event} event */
  const look = ({ target }) => {
    if (target instanceof HTMLMediaElement && !target.paused && !followed.has(target)) {
      followed.add(target);
      follow(target, track);
    }
  };
  // The second for what played before this script was there.
  for (const type of ["playing", "timeupdate"]) document.addEventListener(type, look, true);
}
