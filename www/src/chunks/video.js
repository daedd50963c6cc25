/**
 * Tracks the page's HTML5 players, video and audio, whenever they were added. A player costs nothing before it plays.
 *
 * A video's id is its `data-hw-video`, its `id`, or the name of its file. Ads inside of it are the ranges of seconds
 * in its `data-hw-ads="10-25,60-75"`, and the cues of its metadata tracks whose id or text begins with `ad`.
 *
 * @typedef {(name: string, props: object) => void} Track
 */

import { cut } from "../text.js";
import { unhidden } from "../unhidden.js";

/** The progress at which an event is sent, in per cent. */
const MARKS = [25, 50, 75, 95];
const EVENTS = ["playing", "timeupdate", "seeking", "pause", "ended", "emptied"];
/** A hidden player that played for less is not paused again, in seconds. */
const MIN_PAUSE_S = 1;
/** The longest id that the schemas allow. */
const MAX_CHARACTERS = 64;

/** @param {number} seconds */
const rounded = (seconds) => Math.round(seconds * 100) / 100;

/**
 * Returns the ad that plays now.
 *
 * @param {HTMLMediaElement} media
 * @returns {string | undefined}
 */
function currentAd({ currentTime, dataset, ended, textTracks }) {
  if (ended) return;
  for (const range of dataset.hwAds?.split(",") || []) {
    const [from, to] = range.split("-");
    if (currentTime >= +from && currentTime < +to) return cut(range.trim(), MAX_CHARACTERS);
  }
  for (const { kind, activeCues } of textTracks)
    for (const cue of (kind == "metadata" && activeCues) || []) {
      const name = cue.id || /** @type {VTTCue} */ (cue).text;
      if (/^ad/.test(name)) return cut(name.trim(), MAX_CHARACTERS);
    }
}

/**
 * Tracks a player, from the first time that it plays.
 *
 * @param {HTMLMediaElement} media
 * @param {Track} track
 */
function watch(media, track) {
  let id = "";
  let playing = false;
  /** Whether the page is hidden: a pause was sent, and the player may play on. */
  let isHidden = false;
  /** The position up to which everything was sent, and the seconds played since the view began. */
  let position = 0;
  let watched = 0;
  /** The seconds played when a pause was last sent. */
  let reportedWatched = 0;
  /** @type {number[]} */
  let marks = [];
  /** @type {string | undefined} */
  let ad;

  /**
   * @param {string} what
   * @param {object} props
   */
  const report = (what, props) => {
    const { duration } = media;
    // A live stream has no end.
    const duration_s = duration < Infinity ? rounded(duration) || undefined : undefined;
    track("video_" + what, { video_id: id, position_s: rounded(position), duration_s, ...props });
  };
  const start = () => report("start", { autoplay: media.autoplay && !watched });
  const pause = (ended = false) => {
    reportedWatched = watched;
    report("pause", { ended, watched_s: rounded(watched) });
  };

  const stop = (ended = false) => {
    if (playing && (!isHidden || ended || watched - reportedWatched > MIN_PAUSE_S)) pause(ended);
    playing = isHidden = false;
    EventTarget.prototype.removeEventListener.call(document, "visibilitychange", onVisibilityChange);
  };

  /** @param {Event} event */
  const update = ({ type }) => {
    if (type == "emptied") {
      // The source changed: only the last position is known.
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
        if (passed) report("progress", { percent, watched_s: rounded(watched) });
        return !passed;
      });
    }
    if (!playing && !paused && !ended && !seeking && readyState >= media.HAVE_FUTURE_DATA) {
      if (!id) {
        // A `data:` address holds the film itself and names no file.
        const file = media.currentSrc.replace(/^data:.*|[?#].*/, "").replace(/.*\//, "");
        const names = [media.dataset.hwVideo || "", media.id, file, media.localName];
        id = names.map((name) => cut(name.trim(), MAX_CHARACTERS)).find((name) => name) || "";
        marks = MARKS;
        watched = 0;
      }
      playing = true;
      EventTarget.prototype.addEventListener.call(document, "visibilitychange", onVisibilityChange);
      start();
    }
    const now = playing && (!paused || ended) ? currentAd(media) : ad;
    if (now != ad) {
      if (ad) report("ad", { state: "end", ad_id: ad });
      if (now) report("ad", { state: "start", ad_id: now });
      ad = now;
    }
    if (playing && (paused || ended)) {
      stop(ended);
      // Playing it again is another view.
      if (ended) id = "";
    }
  };

  /** @param {Event} event */
  const onVisibilityChange = (event) => {
    update(event);
    const hidden = unhidden("hidden");
    if (!playing || hidden == isHidden) return;
    isHidden = hidden;
    if (hidden) pause();
    else start();
  };

  for (const type of EVENTS) media.addEventListener(type, update);
}

/** @param {Track} track */
export default function (track) {
  const watchedPlayers = new WeakSet();
  /** @param {Event} event */
  const update = ({ target }) => {
    if (target instanceof HTMLMediaElement && !target.paused && !watchedPlayers.has(target)) {
      watchedPlayers.add(target);
      watch(target, track);
    }
  };
  // `timeupdate` finds players that began before this script.
  for (const type of ["playing", "timeupdate"]) EventTarget.prototype.addEventListener.call(document, type, update, true);
}
