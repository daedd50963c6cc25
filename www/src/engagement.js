/** How far down a page was scrolled, and how long it had the person's attention. */

/** @param {(depth: number, engaged: number) => void} leaves is told when the page is left, and may be more than once */
export function engagement(report) {
  let since = 0;
  let engaged = 0;
  let deepest = 0;
  const root = document.documentElement;
  const tick = () => {
    const now = performance.now();
    if (since) engaged += now - since;
    since = document.visibilityState == "visible" && document.hasFocus() ? now : 0;
  };
  const look = () => (deepest = Math.max(deepest, scrollY + innerHeight));
  tick();
  look();
  addEventListener("scroll", look, { passive: true });
  ["focus", "blur", "visibilitychange"].map((type) => addEventListener(type, tick, true));
  return () => {
    tick();
    report(Math.min(100, Math.round((100 * deepest) / root.scrollHeight)), Math.round(engaged));
    engaged = deepest = 0
  };
}
