"""The events of the catalogue, as a server sends them. Made by scripts/types; edit the schemas, not this file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NotRequired, TypeAlias, TypedDict


# Fields of an event beside its name and props.
class HeadwaterFields(TypedDict):
    # A UUID that a retry keeps; made on receipt if absent.
    id: NotRequired[str]
    # Names the browser or the app's installation.
    device_id: NotRequired[str]
    # The client's clock: RFC 3339, or milliseconds since the epoch.
    time: NotRequired[str | float]
    # The event's number on its device.
    seq: NotRequired[int]
    # Replaces the level of the schema.
    level: NotRequired[Literal["low", "mid", "high"]]
    # The client's own view of the session.
    session_id: NotRequired[str]
    # The site's own id for the user.
    user_id: NotRequired[str]
    # The version of the site or app.
    build: NotRequired[str]
    # Such as de-CH.
    language: NotRequired[str]
    # The page's title.
    title: NotRequired[str]
    # The page's address.
    url: NotRequired[str]
    # The address of the page before.
    referrer: NotRequired[str]
    # WIDTHxHEIGHT in pixels.
    screen: NotRequired[str]
    # WIDTHxHEIGHT in pixels.
    viewport: NotRequired[str]
    # What the person allowed.
    consent: NotRequired[Literal["granted", "denied"]]
    # Proves user_id.
    user_hash: NotRequired[str]
    # The name in the system that the event comes from.
    source_name: NotRequired[str]
    # The id in the system that the event comes from.
    source_event_id: NotRequired[str]
    # Annotations of your own.
    metadata: NotRequired[Mapping[str, object]]
    # The visitor's address; needs a server key.
    ip: NotRequired[str]
    # The visitor's User-Agent; needs a server key.
    user_agent: NotRequired[str]
    # The visitor's time zone; needs a server key.
    timezone: NotRequired[str]
    # Whether the event is of an archive; needs a server key.
    historical: NotRequired[bool]
    # Whether your server has verified the user; needs a server key.
    user_verified: NotRequired[bool]


# An event without a schema.
class OtherEvent(HeadwaterFields):
    name: str
    props: NotRequired[Mapping[str, object]]


# An ad was in view, half of it or more, for a second or longer.
class AdImpression(TypedDict):
    # The ad server's id for the ad. (minLength 1, maxLength 64)
    ad_id: str
    # The place on the page. (minLength 1, maxLength 64)
    slot: str
    # The campaign that it belongs to. (minLength 1, maxLength 64)
    campaign_id: NotRequired[str]
    # Milliseconds in view. (minimum 1000)
    visible_ms: NotRequired[int]
    # What the impression pays. (minimum 0)
    price: NotRequired[float]
    # ISO 4217 code of all amounts. (pattern "^[A-Z]{3}$")
    currency: NotRequired[str]


# The event ad_impression.
class AdImpressionEvent(HeadwaterFields):
    # The event.
    name: Literal["ad_impression"]
    props: AdImpression


# A person changed a document; sent once a save or a minute, whichever comes first.
class AppEdit(TypedDict):
    # The document. (format "uuid")
    document_id: str
    # Changes since the last such event. (minimum 1)
    changes: int
    # What the changes were made with. (maxItems 50, uniqueItems)
    tools: NotRequired[list[str]]
    # Seconds of work since the last such event. (minimum 0)
    seconds: NotRequired[float]


# The event app_edit.
class AppEditEvent(HeadwaterFields):
    # The event.
    name: Literal["app_edit"]
    props: AppEdit


# The app, or a document in it, came to the front; opens a session.
class AppOpen(TypedDict):
    # What brought it there.
    source: Literal["icon", "link", "push", "document", "share"]
    # The document, if one was opened. (format "uuid")
    document_id: NotRequired[str]
    # The link that was followed. (format "uri", maxLength 8192)
    link: NotRequired[str]


# The event app_open.
class AppOpenEvent(HeadwaterFields):
    # The event.
    name: Literal["app_open"]
    props: AppOpen


# A person shared a document with others.
class AppShare(TypedDict):
    # The document. (format "uuid")
    document_id: str
    # How it was shared.
    channel: Literal["link", "email", "message", "export"]
    # How many it was shared with; who they are stays out. (minimum 0)
    recipients: NotRequired[int]
    # The last day on which the share works. (format "date")
    expires_on: NotRequired[str]


# The event app_share.
class AppShareEvent(HeadwaterFields):
    # The event.
    name: Literal["app_share"]
    props: AppShare


# A person signed a document, or declined to.
class AppSign(TypedDict):
    # The document. (format "uuid")
    document_id: str
    # What the person did.
    result: Literal["signed", "declined"]
    # The time that the signature bears; a signed document has one. (format "date-time")
    signed_at: NotRequired[str]
    # The signature's kind by eIDAS.
    level: NotRequired[Literal["simple", "advanced", "qualified"]]


# The event app_sign.
class AppSignEvent(HeadwaterFields):
    # The event.
    name: Literal["app_sign"]
    props: AppSign


# The app's process started; opens a session.
class AppStart(TypedDict):
    # The app's version. (pattern "^[0-9]+(\\.[0-9]+){0,3}")
    version: str
    # What it runs on.
    platform: Literal["ios", "android", "macos", "windows", "linux", "web"]
    # Whether it is the first start after the installation.
    first: NotRequired[bool]
    # Milliseconds until the app could be used. (minimum 0)
    start_ms: NotRequired[float]


# The event app_start.
class AppStartEvent(HeadwaterFields):
    # The event.
    name: Literal["app_start"]
    props: AppStart


# Something was put into the cart, taken out, or its quantity was set.
class CartChanged(TypedDict):
    # What was done.
    action: Literal["add", "remove", "set", "clear"]
    # The product; every action but `clear` has one. (minLength 1, maxLength 64)
    sku: NotRequired[str]
    # Pieces of it that are in the cart now. (minimum 0, maximum 10000)
    quantity: NotRequired[int]
    # The price of one piece. (minimum 0)
    price: NotRequired[float]
    # ISO 4217 code of all amounts. (pattern "^[A-Z]{3}$")
    currency: NotRequired[str]
    # What the cart comes to now. (minimum 0)
    total: NotRequired[float]


# The event cart_changed.
class CartChangedEvent(HeadwaterFields):
    # The event.
    name: Literal["cart_changed"]
    props: CartChanged


# A person clicked a link, a button or another thing that the page marks.
class Click(TypedDict):
    # The page's own name for the thing, such as `nav.cart`. (minLength 1, maxLength 128)
    target: str
    # What was to be read on it. (maxLength 200)
    text: NotRequired[str]
    # Where a link leads. (minLength 1, maxLength 8192)
    href: NotRequired[str]
    # Whether it leads to another site.
    outbound: NotRequired[bool]


# The event click.
class ClickEvent(HeadwaterFields):
    # The event.
    name: Literal["click"]
    props: Click


# A person followed a link to a file.
class Download(TypedDict):
    # The file's address. (minLength 1, maxLength 8192)
    href: str
    # The extension, in small letters. (pattern "^[a-z0-9]{1,8}$")
    file_type: NotRequired[str]
    # The file's size. (minimum 0)
    bytes: NotRequired[int]


# The event download.
class DownloadEvent(HeadwaterFields):
    # The event.
    name: Literal["download"]
    props: Download


# A form was sent. Name its fields, never send what was typed.
class FormSubmit(TypedDict):
    # The page's own name for the form. (minLength 1, maxLength 128)
    form_id: str
    # The names of the fields that were filled in. (maxItems 100, uniqueItems)
    fields: NotRequired[list[str]]
    # What the page made of it.
    result: NotRequired[Literal["sent", "invalid", "failed"]]


# The event form_submit.
class FormSubmitEvent(HeadwaterFields):
    # The event.
    name: Literal["form_submit"]
    props: FormSubmit


# The page said who its user is, by `user_id`. The props are what it knows of that user.
Identify: TypeAlias = "Mapping[str, object]"


# The event identify.
class IdentifyEvent(HeadwaterFields):
    # The event.
    name: Literal["identify"]
    # Traits, such as a plan; their names are the site's. (maxProperties 100)
    props: NotRequired[Identify]


class OrderPlacedLine(TypedDict):
    # (minLength 1, maxLength 64)
    sku: str
    # (minimum 1)
    quantity: int
    # Of one piece. (minimum 0)
    price: float


# A customer placed an order and the shop has confirmed it.
class OrderPlaced(TypedDict):
    # The shop's number for the order. (minLength 1, maxLength 64)
    order: NotRequired[str]
    # What the customer pays, tax and shipping included. (minimum 0)
    total: float
    # The tax in `total`. (minimum 0)
    tax: NotRequired[float]
    # The shipping in `total`. (minimum 0)
    shipping: NotRequired[float]
    # ISO 4217 code of all amounts. (pattern "^[A-Z]{3}$")
    currency: str
    # The code that was redeemed. (minLength 1, maxLength 64)
    coupon: NotRequired[str]
    # What was bought. (minItems 1, maxItems 200)
    lines: NotRequired[list[OrderPlacedLine]]


class OrderPlacedMetadata(TypedDict):
    # The operator's tag, such as a shop or a test; becomes a column. (minLength 1, maxLength 64)
    tag: NotRequired[str]


# The event order_placed.
class OrderPlacedEvent(TypedDict):
    # The event.
    name: Literal["order_placed"]
    props: OrderPlaced
    # A UUID that a retry keeps; made on receipt if absent.
    id: NotRequired[str]
    # Names the browser or the app's installation.
    device_id: NotRequired[str]
    # The client's clock: RFC 3339, or milliseconds since the epoch.
    time: NotRequired[str | float]
    # The event's number on its device.
    seq: NotRequired[int]
    # Replaces the level of the schema.
    level: NotRequired[Literal["low", "mid", "high"]]
    # The client's own view of the session.
    session_id: NotRequired[str]
    # The site's own id for the user.
    user_id: NotRequired[str]
    # The version of the site or app.
    build: NotRequired[str]
    # Such as de-CH.
    language: NotRequired[str]
    # The page's title.
    title: NotRequired[str]
    # The page's address.
    url: NotRequired[str]
    # The address of the page before.
    referrer: NotRequired[str]
    # WIDTHxHEIGHT in pixels.
    screen: NotRequired[str]
    # WIDTHxHEIGHT in pixels.
    viewport: NotRequired[str]
    # What the person allowed.
    consent: NotRequired[Literal["granted", "denied"]]
    # Proves user_id.
    user_hash: NotRequired[str]
    # The name in the system that the event comes from.
    source_name: NotRequired[str]
    # The id in the system that the event comes from.
    source_event_id: NotRequired[str]
    # Annotations of your own.
    metadata: NotRequired[OrderPlacedMetadata]
    # The visitor's address; needs a server key.
    ip: NotRequired[str]
    # The visitor's User-Agent; needs a server key.
    user_agent: NotRequired[str]
    # The visitor's time zone; needs a server key.
    timezone: NotRequired[str]
    # Whether the event is of an archive; needs a server key.
    historical: NotRequired[bool]
    # Whether your server has verified the user; needs a server key.
    user_verified: NotRequired[bool]


# A page was left or went out of sight. A view may have several, whose times add up.
class PageLeave(TypedDict):
    # How far down it was seen so far, in per cent of the page's height. (minimum 0, maximum 100)
    depth: float
    # Milliseconds in sight and in focus since the view, or since its last such event. (minimum 0)
    engaged_ms: int


# The event page_leave.
class PageLeaveEvent(HeadwaterFields):
    # The event.
    name: Literal["page_leave"]
    props: PageLeave


# A page came into view. Sent once a view, a page from the back/forward cache included.
class PageView(TypedDict):
    # How the browser came to the page.
    kind: NotRequired[Literal["navigate", "reload", "back_forward", "prerender"]]
    # Milliseconds until the page was loaded. (minimum 0)
    load_ms: NotRequired[float]
    # The address's path, when the site names it otherwise. (minLength 1, maxLength 2048)
    path: NotRequired[str]


# The event page_view.
class PageViewEvent(HeadwaterFields):
    # The event.
    name: Literal["page_view"]
    props: NotRequired[PageView]


# Where the pointer was, for heat maps, and how it and the page moved: the path can be drawn again.
class Pointer(TypedDict):
    # In the order of time; up to a hundred. (minItems 1, maxItems 100)
    points: NotRequired[list[list[float]]]
    # The pointer's path on the page.
    deltas: NotRequired[list[int]]
    # The path of the window's top left on the page.
    scrolls: NotRequired[list[int]]
    # At which points of `deltas` a button, a finger or the pen went down; the first point is 0. (minItems 1, maxItems 100)
    presses: NotRequired[list[int]]
    kind: NotRequired[Literal["mouse", "touch", "pen"]]


# The event pointer.
class PointerEvent(HeadwaterFields):
    # The event.
    name: Literal["pointer"]
    props: Pointer


# A person looked at a product's own page.
class ProductViewed(TypedDict):
    # The shop's number for the product. (minLength 1, maxLength 64)
    sku: str
    # The product's name. (minLength 1, maxLength 200)
    name: NotRequired[str]
    # The path in the shop, such as `shoes/running`. (minLength 1, maxLength 200)
    category: NotRequired[str]
    # The price of one piece. (minimum 0)
    price: NotRequired[float]
    # ISO 4217 code of all amounts. (pattern "^[A-Z]{3}$")
    currency: NotRequired[str]
    # Whether it could be bought.
    in_stock: NotRequired[bool]


# The event product_viewed.
class ProductViewedEvent(HeadwaterFields):
    # The event.
    name: Literal["product_viewed"]
    props: ProductViewed


# How far down a page a person came; the deepest point so far.
class Scroll(TypedDict):
    # Per cent of the page's height. (minimum 0, maximum 100)
    depth: float
    # Pixels from the top. (minimum 0)
    depth_px: NotRequired[int]


# The event scroll.
class ScrollEvent(HeadwaterFields):
    # The event.
    name: Literal["scroll"]
    props: Scroll


# An ad inside a video began to play, or was over.
class VideoAd(TypedDict):
    # The site's id for the video. (minLength 1, maxLength 64)
    video_id: str
    # Where in the video, in seconds. (minimum 0)
    position_s: float
    # The video's length, in seconds. (exclusiveMinimum 0)
    duration_s: NotRequired[float]
    # What became of the ad.
    state: Literal["start", "end"]
    # The cue that marks the ad, or its seconds, such as `10-25`. (minLength 1, maxLength 64)
    ad_id: NotRequired[str]


# The event video_ad.
class VideoAdEvent(HeadwaterFields):
    # The event.
    name: Literal["video_ad"]
    props: VideoAd


# A video was paused, or came to its end.
class VideoPause(TypedDict):
    # The site's id for the video. (minLength 1, maxLength 64)
    video_id: str
    # Where in the video, in seconds. (minimum 0)
    position_s: float
    # The video's length, in seconds. (exclusiveMinimum 0)
    duration_s: NotRequired[float]
    # Whether it came to its end.
    ended: NotRequired[bool]
    # Seconds played since it started. (minimum 0)
    watched_s: NotRequired[float]


# The event video_pause.
class VideoPauseEvent(HeadwaterFields):
    # The event.
    name: Literal["video_pause"]
    props: VideoPause


# A video played past a mark, which it does once a view; a seek past it does not count.
class VideoProgress(TypedDict):
    # The site's id for the video. (minLength 1, maxLength 64)
    video_id: str
    # Where in the video, in seconds. (minimum 0)
    position_s: float
    # The video's length, in seconds. (exclusiveMinimum 0)
    duration_s: NotRequired[float]
    # The mark, in per cent of the length: the snippet's are 25, 50, 75 and 95. (minimum 1, maximum 100)
    percent: int
    # Seconds played since it started. (minimum 0)
    watched_s: NotRequired[float]


# The event video_progress.
class VideoProgressEvent(HeadwaterFields):
    # The event.
    name: Literal["video_progress"]
    props: VideoProgress


# A video began to play, or went on after a pause.
class VideoStart(TypedDict):
    # The site's id for the video. (minLength 1, maxLength 64)
    video_id: str
    # Where in the video, in seconds. (minimum 0)
    position_s: float
    # The video's length, in seconds. (exclusiveMinimum 0)
    duration_s: NotRequired[float]
    # Whether it began by itself.
    autoplay: NotRequired[bool]


# The event video_start.
class VideoStartEvent(HeadwaterFields):
    # The event.
    name: Literal["video_start"]
    props: VideoStart


# How fast and how steady a page view was so far (https://web.dev/articles/vitals). The last of a view counts.
class WebVitals(TypedDict):
    # Largest Contentful Paint: good up to 2,500, poor past 4,000. (minimum 0)
    lcp_ms: NotRequired[int]
    # Cumulative Layout Shift: good up to 0.1, poor past 0.25. (minimum 0)
    cls: NotRequired[float]
    # Interaction to Next Paint: good up to 200, poor past 500. Absent when nothing was clicked or typed. (minimum 0)
    inp_ms: NotRequired[int]
    # First Contentful Paint: good up to 1,800, poor past 3,000. (minimum 0)
    fcp_ms: NotRequired[int]
    # Time to First Byte: good up to 800, poor past 1,800. (minimum 0)
    ttfb_ms: NotRequired[int]
    # How the browser came to the page; `restore` is a tab that it had put away.
    kind: NotRequired[Literal["navigate", "reload", "back_forward", "back_forward_cache", "prerender", "restore"]]


# The event web_vitals.
class WebVitalsEvent(HeadwaterFields):
    # The event.
    name: Literal["web_vitals"]
    # (minProperties 1)
    props: WebVitals


# Every event.
HeadwaterEvent: TypeAlias = """(
    AdImpressionEvent
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
    | OtherEvent
)"""
