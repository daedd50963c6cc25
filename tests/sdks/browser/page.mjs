/** What the pages share: the story's settings, and their way to the report. */

export const { endpoint, key, run, apart } = window.STORY;
export const USER = "u-7";
export const TOTAL = { total: 19.9, currency: "CHF" };
/** Of each event of the page. */
export const HERE = { url: location.href, title: document.title, referrer: "https://www.google.com/" };

/** The text by which the event of a step is found in S3. */
export const marker = (step) => `${run}.${step}`;

let flush = () => {};

/** Has an SDK that sends several events in one request send what it has. */
export const flushesBy = (call) => (flush = call);

/** Notes an event. `fields` are those of the record that the SDK was given. */
export async function sent(step, fields) {
  await window.say("sent", { step, marker: marker(step), ...fields });
  if (apart) await flush();
}

export const failed = (...parts) => window.say("failed", parts.map((part) => part?.message ?? part).join(" "));

/** Runs the story. `option` is how a user points the SDK here. */
export async function play(sdk, option, story) {
  await window.say("is", sdk, option);
  try {
    await story();
  } catch (error) {
    await failed(error);
  }
  window.storyEnded = true;
}
