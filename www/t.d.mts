// The types of t.mjs, for those who bundle it with a site's own code. tests/types/module.mts holds it to www/src.

/** How the snippet behaves. Each but `src` is the attribute `data-…` of the tag with its name. */
export type Options = {
  /** The address of the script, such as `https://c.example/t.js`: the chunks are beside it, and `endpoint` is relative to it. */
  src: string;
  /** The write key. */
  key?: string;
  /** Where beacons go; `/v1/events` when absent. */
  endpoint?: string;
  /** What is captured automatically: some of `outbound`, `downloads`, `forms`, `engagement`, with spaces between them. */
  auto?: string;
  /** `hash`: the part after # belongs to a page; `manual`: only `headwater("page")` counts a view. */
  pages?: "hash" | "manual";
  /** Some of `vitals`, `pointer`, `video`, with spaces between them. */
  chunks?: string;
  /** If present, nothing is stored or sent until `headwater("consent", "granted")`. */
  consent?: "" | "required";
  /** If present, nothing is stored, and there is no device id and no session. */
  cookieless?: "";
  /** Names of events that open a session, with spaces between them. */
  sessionStart?: string;
  /** The site's build, a field of each event. */
  build?: string;
};

declare global {
  /** What `track` takes after each name. An `events.d.ts`, which scripts/types writes, fills it; without one any name is taken. */
  interface HeadwaterEvents {}
  /** Has a member if the worker rejects events without a schema; an `events.d.ts` says so. */
  interface HeadwaterUnknownEvents {}
}

/** A name without a schema: any, if there is no catalogue; none, if the worker rejects them. */
type UnknownName = [keyof HeadwaterEvents] extends [never]
  ? string
  : [keyof HeadwaterUnknownEvents] extends [never]
    ? string & {}
    : never;

/** What `track` takes after a name. */
type Arguments<Name extends string> = Name extends keyof HeadwaterEvents
  ? Extract<HeadwaterEvents[Name], unknown[]>
  : [props?: object, fields?: object];

/** The props of an event that has a call of its own. */
type Props<Name extends string> = Exclude<Arguments<Name>[0], undefined>;

/** Calls the snippet; it never throws, and calls wait until there is consent. */
export interface Headwater {
  /** Names the user, for this event and later ones. */
  (command: "identify", userId: string, traits?: Props<"identify">): void;
  /** Remembers what the person decided; `denied` erases what is stored. */
  (command: "consent", decision: "granted" | "denied"): void;
  /** Counts a page view. */
  (command: "page", props?: Props<"page_view">): void;
  /** Sends an event. It is the last overload, because a compiler explains only the last one. */
  <Name extends keyof HeadwaterEvents | UnknownName>(command: "track", name: Name, ...values: Arguments<Name>): void;
}

/** Starts the snippet, once a page. */
export function start(options: Options): Headwater;
