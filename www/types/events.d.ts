// The events of the catalogue. Made by scripts/types; edit the schemas, not this file.
//
// It narrows headwater("track", name, props) by the name. A page with the tag needs nothing else; with the npm package, the
// function that `start` returns is narrowed too.

/** Fields of an event beside its name and props. A page sends most of them on its own. */
export interface HeadwaterFields {
  /** A UUID that a retry keeps; made on receipt if absent. */
  id?: string;
  /** Names the browser or the app's installation. */
  device_id?: string;
  /** The client's clock: RFC 3339, or milliseconds since the epoch. */
  time?: string | number;
  /** The event's number on its device. */
  seq?: number;
  /** Replaces the level of the schema. */
  level?: "low" | "mid" | "high";
  /** The client's own view of the session. */
  session_id?: string;
  /** The site's own id for the user. */
  user_id?: string;
  /** The version of the site or app. */
  build?: string;
  /** Such as de-CH. */
  language?: string;
  /** The page's title. */
  title?: string;
  /** The page's address. */
  url?: string;
  /** The address of the page before. */
  referrer?: string;
  /** WIDTHxHEIGHT in pixels. */
  screen?: string;
  /** WIDTHxHEIGHT in pixels. */
  viewport?: string;
  /** What the person allowed. */
  consent?: "granted" | "denied";
  /** Proves user_id. */
  user_hash?: string;
  /** The name in the system that the event comes from. */
  source_name?: string;
  /** The id in the system that the event comes from. */
  source_event_id?: string;
  /** Annotations of your own. */
  metadata?: object;
  /** The visitor's address; needs a server key. */
  ip?: string;
  /** The visitor's User-Agent; needs a server key. */
  user_agent?: string;
  /** The visitor's time zone; needs a server key. */
  timezone?: string;
  /** Whether the event is of an archive; needs a server key. */
  historical?: boolean;
  /** Whether your server has verified the user; needs a server key. */
  user_verified?: boolean;
}

/** An event without a schema. */
export interface HeadwaterOtherEvent extends HeadwaterFields {
  name: string;
  props?: object;
}

/** An ad was in view, half of it or more, for a second or longer. */
export type AdImpression = {
  /** The ad server's id for the ad. (minLength 1, maxLength 64) */
  ad_id: string;
  /** The place on the page. (minLength 1, maxLength 64) */
  slot: string;
  /** The campaign that it belongs to. (minLength 1, maxLength 64) */
  campaign_id?: string;
  /** Milliseconds in view. (minimum 1000) */
  visible_ms?: number;
  /** What the impression pays. (minimum 0) */
  price?: number;
  /** ISO 4217 code of all amounts. (pattern "^[A-Z]{3}$") */
  currency?: string;
} & (
  | { price?: never }
  | { currency: string }
);

/** The event ad_impression. */
export interface AdImpressionEvent extends HeadwaterFields {
  /** The event. */
  name: "ad_impression";
  props: AdImpression;
}

/** A person changed a document; sent once a save or a minute, whichever comes first. */
export interface AppEdit {
  /** The document. (format "uuid") */
  document_id: string;
  /** Changes since the last such event. (minimum 1) */
  changes: number;
  /** What the changes were made with. (maxItems 50, uniqueItems) */
  tools?: readonly string[];
  /** Seconds of work since the last such event. (minimum 0) */
  seconds?: number;
}

/** The event app_edit. */
export interface AppEditEvent extends HeadwaterFields {
  /** The event. */
  name: "app_edit";
  props: AppEdit;
}

/** The app, or a document in it, came to the front; opens a session. */
export interface AppOpen {
  /** What brought it there. */
  source: "icon" | "link" | "push" | "document" | "share";
  /** The document, if one was opened. (format "uuid") */
  document_id?: string;
  /** The link that was followed. (format "uri", maxLength 8192) */
  link?: string;
}

/** The event app_open. */
export interface AppOpenEvent extends HeadwaterFields {
  /** The event. */
  name: "app_open";
  props: AppOpen;
}

/** A person shared a document with others. */
export interface AppShare {
  /** The document. (format "uuid") */
  document_id: string;
  /** How it was shared. */
  channel: "link" | "email" | "message" | "export";
  /** How many it was shared with; who they are stays out. (minimum 0) */
  recipients?: number;
  /** The last day on which the share works. (format "date") */
  expires_on?: string;
}

/** The event app_share. */
export interface AppShareEvent extends HeadwaterFields {
  /** The event. */
  name: "app_share";
  props: AppShare;
}

/** A person signed a document, or declined to. */
export type AppSign = {
  /** The document. (format "uuid") */
  document_id: string;
  /** What the person did. */
  result: "signed" | "declined";
  /** The time that the signature bears; a signed document has one. (format "date-time") */
  signed_at?: string;
  /** The signature's kind by eIDAS. */
  level?: "simple" | "advanced" | "qualified";
} & (
  | { result?: "signed"; signed_at: string }
  | { result: "declined" }
);

/** The event app_sign. */
export interface AppSignEvent extends HeadwaterFields {
  /** The event. */
  name: "app_sign";
  props: AppSign;
}

/** The app's process started; opens a session. */
export interface AppStart {
  /** The app's version. (pattern "^[0-9]+(\\.[0-9]+){0,3}") */
  version: string;
  /** What it runs on. */
  platform: "ios" | "android" | "macos" | "windows" | "linux" | "web";
  /** Whether it is the first start after the installation. */
  first?: boolean;
  /** Milliseconds until the app could be used. (minimum 0) */
  start_ms?: number;
}

/** The event app_start. */
export interface AppStartEvent extends HeadwaterFields {
  /** The event. */
  name: "app_start";
  props: AppStart;
}

/** Something was put into the cart, taken out, or its quantity was set. */
export type CartChanged = {
  /** What was done. */
  action: "add" | "remove" | "set" | "clear";
  /** The product; every action but `clear` has one. (minLength 1, maxLength 64) */
  sku?: string;
  /** Pieces of it that are in the cart now. (minimum 0, maximum 10000) */
  quantity?: number;
  /** The price of one piece. (minimum 0) */
  price?: number;
  /** ISO 4217 code of all amounts. (pattern "^[A-Z]{3}$") */
  currency?: string;
  /** What the cart comes to now. (minimum 0) */
  total?: number;
} & (
  | { price?: never }
  | { currency: string }
) & (
  | { total?: never }
  | { currency: string }
) & (
  | { action?: "clear" }
  | { action: "add" | "remove" | "set"; sku: string; quantity: number }
);

/** The event cart_changed. */
export interface CartChangedEvent extends HeadwaterFields {
  /** The event. */
  name: "cart_changed";
  props: CartChanged;
}

/** A person clicked a link, a button or another thing that the page marks. */
export interface Click {
  /** The page's own name for the thing, such as `nav.cart`. (minLength 1, maxLength 128) */
  target: string;
  /** What was to be read on it. (maxLength 200) */
  text?: string;
  /** Where a link leads. (minLength 1, maxLength 8192) */
  href?: string;
  /** Whether it leads to another site. */
  outbound?: boolean;
}

/** The event click. */
export interface ClickEvent extends HeadwaterFields {
  /** The event. */
  name: "click";
  props: Click;
}

/** A person followed a link to a file. */
export interface Download {
  /** The file's address. (minLength 1, maxLength 8192) */
  href: string;
  /** The extension, in small letters. (pattern "^[a-z0-9]{1,8}$") */
  file_type?: string;
  /** The file's size. (minimum 0) */
  bytes?: number;
}

/** The event download. */
export interface DownloadEvent extends HeadwaterFields {
  /** The event. */
  name: "download";
  props: Download;
}

/** A form was sent. Name its fields, never send what was typed. */
export interface FormSubmit {
  /** The page's own name for the form. (minLength 1, maxLength 128) */
  form_id: string;
  /** The names of the fields that were filled in. (maxItems 100, uniqueItems) */
  fields?: readonly string[];
  /** What the page made of it. */
  result?: "sent" | "invalid" | "failed";
}

/** The event form_submit. */
export interface FormSubmitEvent extends HeadwaterFields {
  /** The event. */
  name: "form_submit";
  props: FormSubmit;
}

/** The page said who its user is, by `user_id`. The props are what it knows of that user. */
export type Identify = object;

/** The event identify. */
export interface IdentifyEvent extends HeadwaterFields {
  /** The event. */
  name: "identify";
  /** Traits, such as a plan; their names are the site's. (maxProperties 100) */
  props?: Identify;
  /** The site's own id for the user. (minLength 1, maxLength 128) */
  user_id?: string;
}

export interface OrderPlacedLine {
  /** (minLength 1, maxLength 64) */
  sku: string;
  /** (minimum 1) */
  quantity: number;
  /** Of one piece. (minimum 0) */
  price: number;
}

/** A customer placed an order and the shop has confirmed it. */
export interface OrderPlaced {
  /** The shop's number for the order. (minLength 1, maxLength 64) */
  order?: string;
  /** What the customer pays, tax and shipping included. (minimum 0) */
  total: number;
  /** The tax in `total`. (minimum 0) */
  tax?: number;
  /** The shipping in `total`. (minimum 0) */
  shipping?: number;
  /** ISO 4217 code of all amounts. (pattern "^[A-Z]{3}$") */
  currency: string;
  /** The code that was redeemed. (minLength 1, maxLength 64) */
  coupon?: string;
  /** What was bought. (minItems 1, maxItems 200) */
  lines?: readonly OrderPlacedLine[];
}

export interface OrderPlacedMetadata {
  /** The operator's tag, such as a shop or a test; becomes a column. (minLength 1, maxLength 64) */
  tag?: string;
}

export interface OrderPlacedEventMetadata {
  /** The operator's tag, such as a shop or a test; becomes a column. (minLength 1, maxLength 64) */
  tag?: string;
}

/** The event order_placed. */
export interface OrderPlacedEvent extends HeadwaterFields {
  /** The event. */
  name: "order_placed";
  props: OrderPlaced;
  /** Annotations of your own. */
  metadata?: OrderPlacedEventMetadata;
}

/** A page was left or went out of sight. A view may have several, whose times add up. */
export interface PageLeave {
  /** How far down it was seen so far, in per cent of the page's height. (minimum 0, maximum 100) */
  depth: number;
  /** Milliseconds in sight and in focus since the view, or since its last such event. (minimum 0) */
  engaged_ms: number;
}

/** The event page_leave. */
export interface PageLeaveEvent extends HeadwaterFields {
  /** The event. */
  name: "page_leave";
  props: PageLeave;
}

/** A page came into view. Sent once a view, a page from the back/forward cache included. */
export interface PageView {
  /** How the browser came to the page. */
  kind?: "navigate" | "reload" | "back_forward" | "prerender";
  /** Milliseconds until the page was loaded. (minimum 0) */
  load_ms?: number;
  /** The address's path, when the site names it otherwise. (minLength 1, maxLength 2048) */
  path?: string;
}

/** The event page_view. */
export interface PageViewEvent extends HeadwaterFields {
  /** The event. */
  name: "page_view";
  props?: PageView;
  /** The page's address. (minLength 1, maxLength 8192) */
  url?: string;
  /** The page before; empty when there was none. (maxLength 8192) */
  referrer?: string;
}

export type PointerPoint = readonly [number, number, number];

export type PointerPath = readonly number[];

/** Where the pointer was, for heat maps, and how it and the page moved: the path can be drawn again. */
export type Pointer = {
  /** In the order of time; up to a hundred. (minItems 1, maxItems 100) */
  points?: readonly PointerPoint[];
  /** The pointer's path on the page. */
  deltas?: PointerPath;
  /** The path of the window's top left on the page. */
  scrolls?: PointerPath;
  /** At which points of `deltas` a button, a finger or the pen went down; the first point is 0. (minItems 1, maxItems 100) */
  presses?: readonly number[];
  kind?: "mouse" | "touch" | "pen";
} & (
  | { presses?: never }
  | { deltas: PointerPath }
) & (
  | { points: readonly PointerPoint[] }
  | { deltas: PointerPath }
  | { scrolls: PointerPath }
);

/** The event pointer. */
export interface PointerEvent extends HeadwaterFields {
  /** The event. */
  name: "pointer";
  props: Pointer;
}

/** A person looked at a product's own page. */
export type ProductViewed = {
  /** The shop's number for the product. (minLength 1, maxLength 64) */
  sku: string;
  /** The product's name. (minLength 1, maxLength 200) */
  name?: string;
  /** The path in the shop, such as `shoes/running`. (minLength 1, maxLength 200) */
  category?: string;
  /** The price of one piece. (minimum 0) */
  price?: number;
  /** ISO 4217 code of all amounts. (pattern "^[A-Z]{3}$") */
  currency?: string;
  /** Whether it could be bought. */
  in_stock?: boolean;
} & (
  | { price?: never }
  | { currency: string }
);

/** The event product_viewed. */
export interface ProductViewedEvent extends HeadwaterFields {
  /** The event. */
  name: "product_viewed";
  props: ProductViewed;
}

/** How far down a page a person came; the deepest point so far. */
export interface Scroll {
  /** Per cent of the page's height. (minimum 0, maximum 100) */
  depth: number;
  /** Pixels from the top. (minimum 0) */
  depth_px?: number;
}

/** The event scroll. */
export interface ScrollEvent extends HeadwaterFields {
  /** The event. */
  name: "scroll";
  props: Scroll;
}

/** An ad inside a video began to play, or was over. */
export interface VideoAd {
  /** The site's id for the video. (minLength 1, maxLength 64) */
  video_id: string;
  /** Where in the video, in seconds. (minimum 0) */
  position_s: number;
  /** The video's length, in seconds. (exclusiveMinimum 0) */
  duration_s?: number;
  /** What became of the ad. */
  state: "start" | "end";
  /** The cue that marks the ad, or its seconds, such as `10-25`. (minLength 1, maxLength 64) */
  ad_id?: string;
}

/** The event video_ad. */
export interface VideoAdEvent extends HeadwaterFields {
  /** The event. */
  name: "video_ad";
  props: VideoAd;
}

/** A video was paused, or came to its end. */
export interface VideoPause {
  /** The site's id for the video. (minLength 1, maxLength 64) */
  video_id: string;
  /** Where in the video, in seconds. (minimum 0) */
  position_s: number;
  /** The video's length, in seconds. (exclusiveMinimum 0) */
  duration_s?: number;
  /** Whether it came to its end. */
  ended?: boolean;
  /** Seconds played since it started. (minimum 0) */
  watched_s?: number;
}

/** The event video_pause. */
export interface VideoPauseEvent extends HeadwaterFields {
  /** The event. */
  name: "video_pause";
  props: VideoPause;
}

/** A video played past a mark, which it does once a view; a seek past it does not count. */
export interface VideoProgress {
  /** The site's id for the video. (minLength 1, maxLength 64) */
  video_id: string;
  /** Where in the video, in seconds. (minimum 0) */
  position_s: number;
  /** The video's length, in seconds. (exclusiveMinimum 0) */
  duration_s?: number;
  /** The mark, in per cent of the length: the snippet's are 25, 50, 75 and 95. (minimum 1, maximum 100) */
  percent: number;
  /** Seconds played since it started. (minimum 0) */
  watched_s?: number;
}

/** The event video_progress. */
export interface VideoProgressEvent extends HeadwaterFields {
  /** The event. */
  name: "video_progress";
  props: VideoProgress;
}

/** A video began to play, or went on after a pause. */
export interface VideoStart {
  /** The site's id for the video. (minLength 1, maxLength 64) */
  video_id: string;
  /** Where in the video, in seconds. (minimum 0) */
  position_s: number;
  /** The video's length, in seconds. (exclusiveMinimum 0) */
  duration_s?: number;
  /** Whether it began by itself. */
  autoplay?: boolean;
}

/** The event video_start. */
export interface VideoStartEvent extends HeadwaterFields {
  /** The event. */
  name: "video_start";
  props: VideoStart;
}

/** How fast and how steady a page view was so far (https://web.dev/articles/vitals). The last of a view counts. */
export interface WebVitals {
  /** Largest Contentful Paint: good up to 2,500, poor past 4,000. (minimum 0) */
  lcp_ms?: number;
  /** Cumulative Layout Shift: good up to 0.1, poor past 0.25. (minimum 0) */
  cls?: number;
  /** Interaction to Next Paint: good up to 200, poor past 500. Absent when nothing was clicked or typed. (minimum 0) */
  inp_ms?: number;
  /** First Contentful Paint: good up to 1,800, poor past 3,000. (minimum 0) */
  fcp_ms?: number;
  /** Time to First Byte: good up to 800, poor past 1,800. (minimum 0) */
  ttfb_ms?: number;
  /** How the browser came to the page; `restore` is a tab that it had put away. */
  kind?: "navigate" | "reload" | "back_forward" | "back_forward_cache" | "prerender" | "restore";
}

/** The event web_vitals. */
export interface WebVitalsEvent extends HeadwaterFields {
  /** The event. */
  name: "web_vitals";
  /** (minProperties 1) */
  props: WebVitals;
}

/** Every event, as a server sends it to /v1/events. */
export type HeadwaterEvent =
  | AdImpressionEvent
  | AppEditEvent
  | AppOpenEvent
  | AppShareEvent
  | AppSignEvent
  | AppStartEvent
  | CartChangedEvent
  | ClickEvent
  | DownloadEvent
  | FormSubmitEvent
  | IdentifyEvent
  | OrderPlacedEvent
  | PageLeaveEvent
  | PageViewEvent
  | PointerEvent
  | ProductViewedEvent
  | ScrollEvent
  | VideoAdEvent
  | VideoPauseEvent
  | VideoProgressEvent
  | VideoStartEvent
  | WebVitalsEvent
  | HeadwaterOtherEvent;

/** The function of a page. Calls before the script is loaded wait for it. */
export interface HeadwaterCall {
  /** Names the user, for this event and later ones. */
  (command: "identify", userId: string, traits?: Identify): void;
  /** Counts a page view. */
  (command: "page", props?: PageView): void;
  /** Remembers what the person decided; `denied` erases what is stored. */
  (command: "consent", decision: "granted" | "denied"): void;
  /** Sends an event. It is the last overload, because a compiler explains only the last one. */
  <Name extends HeadwaterName>(command: "track", name: Name, ...values: HeadwaterArguments<Name>): void;
}

/** The names that `track` takes: those of the catalogue, and any other. */
export type HeadwaterName = keyof HeadwaterEvents | (string & {});

/** What `track` takes after a name. */
export type HeadwaterArguments<Name extends string> = Name extends keyof HeadwaterEvents
  ? HeadwaterEvents[Name]
  : [props?: object, fields?: HeadwaterFields];

declare global {
  /** What `track` takes after each name. */
  interface HeadwaterEvents {
    /** An ad was in view, half of it or more, for a second or longer. Version 1.0.0. */
    ad_impression: [props: AdImpression, fields?: HeadwaterFields];
    /** A person changed a document; sent once a save or a minute, whichever comes first. Version 1.0.0. */
    app_edit: [props: AppEdit, fields?: HeadwaterFields];
    /** The app, or a document in it, came to the front; opens a session. Version 1.0.0. */
    app_open: [props: AppOpen, fields?: HeadwaterFields];
    /** A person shared a document with others. Version 1.0.0. */
    app_share: [props: AppShare, fields?: HeadwaterFields];
    /** A person signed a document, or declined to. Version 1.0.0. */
    app_sign: [props: AppSign, fields?: HeadwaterFields];
    /** The app's process started; opens a session. Version 1.0.0. */
    app_start: [props: AppStart, fields?: HeadwaterFields];
    /** Something was put into the cart, taken out, or its quantity was set. Version 1.0.0. */
    cart_changed: [props: CartChanged, fields?: HeadwaterFields];
    /** A person clicked a link, a button or another thing that the page marks. Version 1.0.0. */
    click: [props: Click, fields?: HeadwaterFields];
    /** A person followed a link to a file. Version 1.0.0. */
    download: [props: Download, fields?: HeadwaterFields];
    /** A form was sent. Name its fields, never send what was typed. Version 1.0.0. */
    form_submit: [props: FormSubmit, fields?: HeadwaterFields];
    /** The page said who its user is, by `user_id`. The props are what it knows of that user. Version 1.0.0. */
    identify: [props?: Identify, fields?: HeadwaterFields];
    /** A customer placed an order and the shop has confirmed it. Version 1.0.0. */
    order_placed: [props: OrderPlaced, fields?: HeadwaterFields & { metadata?: OrderPlacedMetadata }];
    /** A page was left or went out of sight. A view may have several, whose times add up. Version 1.0.0. */
    page_leave: [props: PageLeave, fields?: HeadwaterFields];
    /** A page came into view. Sent once a view, a page from the back/forward cache included. Version 1.0.0. */
    page_view: [props?: PageView, fields?: HeadwaterFields];
    /** Where the pointer was, for heat maps, and how it and the page moved: the path can be drawn again. Version 1.1.0. */
    pointer: [props: Pointer, fields?: HeadwaterFields];
    /** A person looked at a product's own page. Version 1.0.0. */
    product_viewed: [props: ProductViewed, fields?: HeadwaterFields];
    /** How far down a page a person came; the deepest point so far. Version 1.0.0. */
    scroll: [props: Scroll, fields?: HeadwaterFields];
    /** An ad inside a video began to play, or was over. Version 1.0.0. */
    video_ad: [props: VideoAd, fields?: HeadwaterFields];
    /** A video was paused, or came to its end. Version 1.0.0. */
    video_pause: [props: VideoPause, fields?: HeadwaterFields];
    /** A video played past a mark, which it does once a view; a seek past it does not count. Version 1.0.0. */
    video_progress: [props: VideoProgress, fields?: HeadwaterFields];
    /** A video began to play, or went on after a pause. Version 1.0.0. */
    video_start: [props: VideoStart, fields?: HeadwaterFields];
    /** How fast and how steady a page view was so far (https://web.dev/articles/vitals). The last of a view counts. Version 1.0.0. */
    web_vitals: [props: WebVitals, fields?: HeadwaterFields];
  }
  /** Has a member if the worker rejects events without a schema: `unknown_events = "fail"`. */
  interface HeadwaterUnknownEvents {}
  var headwater: HeadwaterCall;
}
