// The types of t.mjs, for those who bundle it with a site's own code. tests/types/module.mts holds it to www/src.

/** How the snippet behaves; each but `src` is the attribute `data-…` of the tag that has its name. */
export type Options = {
  /** The address of the script, such as `https://c.example/t.js`: the chunks lie beside it, and `endpoint` is relative to it. */
  src: string;
  /** The write key. */
  key?: string;
  /** Where beacons go; `/v1/events` when absent. */
  endpoint?: string;
  /** What is captured by itself: some of `outbound`, `downloads`, `forms`, `engagement`, with spaces between them. */
  auto?: string;
  /** `hash`: what follows # is part of the page; `manual`: views are counted only by `headwater("page")`. */
  pages?: "hash" | "manual";
  /** Some of `vitals`, `pointer`, `video`, with spaces between them. */
  chunks?: string;
  /** When present, nothing is stored or sent until `headwater("consent", "granted")`. */
  consent?: "" | "required";
  /** When present, nothing is stored, and there is no device id and no session. */
  cookieless?: "";
  /** Names of events that open a session, with spaces between them. */
  sessionStart?: string;
  /** The site's build, a field of each event. */
  build?: string;
};

/** Calls the snippet; it never throws, and what is told before there is consent waits. */
export interface Headwater {
  /** Sends an event. */
  (command: "track", name: string, props?: object): void;
  /** Names the person, for this event and those after it. */
  (command: "identify", userId: string, traits?: object): void;
  /** Says what the person has decided; `denied` erases what is stored. */
  (command: "consent", decision: "granted" | "denied"): void;
  /** Counts a page view. */
  (command: "page", props?: object): void;
}

/** Starts the snippet, once a page. */
export function start(options: Options): Headwater;
