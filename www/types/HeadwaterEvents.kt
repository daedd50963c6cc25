// The events of the catalogue. Made by scripts/types; edit the schemas, not this file.
@file:Suppress("unused", "RemoveRedundantBackticks", "EnumEntryName")

package headwater

/** An object of JSON. */
interface HeadwaterObject {
    /** The members by their names in JSON, without those that are absent. */
    fun toMap(): Map<String, Any?>
}

/** The props of an event. */
interface HeadwaterProps : HeadwaterObject {
    val eventName: String
}

/** One of few values. */
interface HeadwaterEnum {
    val json: String
}

private fun plain(value: Any?): Any? = when (value) {
    is HeadwaterObject -> value.toMap()
    is HeadwaterEnum -> value.json
    is List<*> -> value.map { plain(it) }
    is Map<*, *> -> value.mapValues { plain(it.value) }
    else -> value
}

/** An event: its props, and the fields that your app sets beside them. `metadata` holds annotations of your own. */
data class HeadwaterEvent(
    val props: HeadwaterProps,
    val metadata: Map<String, Any?>? = null,
    /** A UUID that a retry keeps; made on receipt if absent. */
    val id: String? = null,
    /** Names the browser or the app's installation. */
    val deviceId: String? = null,
    /** The client's clock: RFC 3339, or milliseconds since the epoch. */
    val time: Any? = null,
    /** The event's number on its device. */
    val seq: Long? = null,
    /** Replaces the level of the schema. */
    val level: HeadwaterEventLevel? = null,
    /** The client's own view of the session. */
    val sessionId: String? = null,
    /** The site's own id for the user. */
    val userId: String? = null,
    /** The version of the site or app. */
    val build: String? = null,
    /** Such as de-CH. */
    val language: String? = null,
    /** The page's title. */
    val title: String? = null,
    /** The page's address. */
    val url: String? = null,
    /** The address of the page before. */
    val referrer: String? = null,
    /** WIDTHxHEIGHT in pixels. */
    val screen: String? = null,
    /** WIDTHxHEIGHT in pixels. */
    val viewport: String? = null,
    /** What the person allowed. */
    val consent: HeadwaterEventConsent? = null,
    /** Proves user_id. */
    val userHash: String? = null,
    /** The name in the system that the event comes from. */
    val sourceName: String? = null,
    /** The id in the system that the event comes from. */
    val sourceEventId: String? = null,
    /** The visitor's address; needs a server key. */
    val ip: String? = null,
    /** The visitor's User-Agent; needs a server key. */
    val userAgent: String? = null,
    /** The visitor's time zone; needs a server key. */
    val timezone: String? = null,
    /** Whether the event is of an archive; needs a server key. */
    val historical: Boolean? = null,
    /** Whether your server has verified the user; needs a server key. */
    val userVerified: Boolean? = null,
) : HeadwaterObject {
    override fun toMap(): Map<String, Any?> {
        val members = LinkedHashMap<String, Any?>()
        members["name"] = this.props.eventName
        members["props"] = this.props.toMap()
        this.metadata?.let { members["metadata"] = plain(it) }
        this.id?.let { members["id"] = plain(it) }
        this.deviceId?.let { members["device_id"] = plain(it) }
        this.time?.let { members["time"] = plain(it) }
        this.seq?.let { members["seq"] = plain(it) }
        this.level?.let { members["level"] = plain(it) }
        this.sessionId?.let { members["session_id"] = plain(it) }
        this.userId?.let { members["user_id"] = plain(it) }
        this.build?.let { members["build"] = plain(it) }
        this.language?.let { members["language"] = plain(it) }
        this.title?.let { members["title"] = plain(it) }
        this.url?.let { members["url"] = plain(it) }
        this.referrer?.let { members["referrer"] = plain(it) }
        this.screen?.let { members["screen"] = plain(it) }
        this.viewport?.let { members["viewport"] = plain(it) }
        this.consent?.let { members["consent"] = plain(it) }
        this.userHash?.let { members["user_hash"] = plain(it) }
        this.sourceName?.let { members["source_name"] = plain(it) }
        this.sourceEventId?.let { members["source_event_id"] = plain(it) }
        this.ip?.let { members["ip"] = plain(it) }
        this.userAgent?.let { members["user_agent"] = plain(it) }
        this.timezone?.let { members["timezone"] = plain(it) }
        this.historical?.let { members["historical"] = plain(it) }
        this.userVerified?.let { members["user_verified"] = plain(it) }
        return members
    }
}

enum class HeadwaterEventLevel(override val json: String) : HeadwaterEnum {
    LOW("low"),
    MID("mid"),
    HIGH("high"),
}

enum class HeadwaterEventConsent(override val json: String) : HeadwaterEnum {
    GRANTED("granted"),
    DENIED("denied"),
}

/** An ad was in view, half of it or more, for a second or longer. Version 1.0.0. */
data class AdImpression(
    /** The ad server's id for the ad. (minLength 1, maxLength 64) */
    val adId: String,
    /** The place on the page. (minLength 1, maxLength 64) */
    val slot: String,
    /** The campaign that it belongs to. (minLength 1, maxLength 64) */
    val campaignId: String? = null,
    /** Milliseconds in view. (minimum 1000) */
    val visibleMs: Long? = null,
    /** What the impression pays. (minimum 0) */
    val price: Double? = null,
    /** ISO 4217 code of all amounts. (pattern "^[A-Z]{3}$") */
    val currency: String? = null,
) : HeadwaterProps {
    override val eventName: String get() = "ad_impression"

    override fun toMap(): Map<String, Any?> {
        val members = LinkedHashMap<String, Any?>()
        members["ad_id"] = plain(this.adId)
        members["slot"] = plain(this.slot)
        this.campaignId?.let { members["campaign_id"] = plain(it) }
        this.visibleMs?.let { members["visible_ms"] = plain(it) }
        this.price?.let { members["price"] = plain(it) }
        this.currency?.let { members["currency"] = plain(it) }
        return members
    }
}

/** A person changed a document; sent once a save or a minute, whichever comes first. Version 1.0.0. */
data class AppEdit(
    /** The document. (format "uuid") */
    val documentId: String,
    /** Changes since the last such event. (minimum 1) */
    val changes: Long,
    /** What the changes were made with. (maxItems 50, uniqueItems) */
    val tools: List<String>? = null,
    /** Seconds of work since the last such event. (minimum 0) */
    val seconds: Double? = null,
) : HeadwaterProps {
    override val eventName: String get() = "app_edit"

    override fun toMap(): Map<String, Any?> {
        val members = LinkedHashMap<String, Any?>()
        members["document_id"] = plain(this.documentId)
        members["changes"] = plain(this.changes)
        this.tools?.let { members["tools"] = plain(it) }
        this.seconds?.let { members["seconds"] = plain(it) }
        return members
    }
}

enum class AppOpenSource(override val json: String) : HeadwaterEnum {
    ICON("icon"),
    LINK("link"),
    PUSH("push"),
    DOCUMENT("document"),
    SHARE("share"),
}

/** The app, or a document in it, came to the front; opens a session. Version 1.0.0. */
data class AppOpen(
    /** What brought it there. */
    val source: AppOpenSource,
    /** The document, if one was opened. (format "uuid") */
    val documentId: String? = null,
    /** The link that was followed. (format "uri", maxLength 8192) */
    val link: String? = null,
) : HeadwaterProps {
    override val eventName: String get() = "app_open"

    override fun toMap(): Map<String, Any?> {
        val members = LinkedHashMap<String, Any?>()
        members["source"] = plain(this.source)
        this.documentId?.let { members["document_id"] = plain(it) }
        this.link?.let { members["link"] = plain(it) }
        return members
    }
}

enum class AppShareChannel(override val json: String) : HeadwaterEnum {
    LINK("link"),
    EMAIL("email"),
    MESSAGE("message"),
    EXPORT("export"),
}

/** A person shared a document with others. Version 1.0.0. */
data class AppShare(
    /** The document. (format "uuid") */
    val documentId: String,
    /** How it was shared. */
    val channel: AppShareChannel,
    /** How many it was shared with; who they are stays out. (minimum 0) */
    val recipients: Long? = null,
    /** The last day on which the share works. (format "date") */
    val expiresOn: String? = null,
) : HeadwaterProps {
    override val eventName: String get() = "app_share"

    override fun toMap(): Map<String, Any?> {
        val members = LinkedHashMap<String, Any?>()
        members["document_id"] = plain(this.documentId)
        members["channel"] = plain(this.channel)
        this.recipients?.let { members["recipients"] = plain(it) }
        this.expiresOn?.let { members["expires_on"] = plain(it) }
        return members
    }
}

enum class AppSignResult(override val json: String) : HeadwaterEnum {
    SIGNED("signed"),
    DECLINED("declined"),
}

enum class AppSignLevel(override val json: String) : HeadwaterEnum {
    SIMPLE("simple"),
    ADVANCED("advanced"),
    QUALIFIED("qualified"),
}

/** A person signed a document, or declined to. Version 1.0.0. */
data class AppSign(
    /** The document. (format "uuid") */
    val documentId: String,
    /** What the person did. */
    val result: AppSignResult,
    /** The time that the signature bears; a signed document has one. (format "date-time") */
    val signedAt: String? = null,
    /** The signature's kind by eIDAS. */
    val level: AppSignLevel? = null,
) : HeadwaterProps {
    override val eventName: String get() = "app_sign"

    override fun toMap(): Map<String, Any?> {
        val members = LinkedHashMap<String, Any?>()
        members["document_id"] = plain(this.documentId)
        members["result"] = plain(this.result)
        this.signedAt?.let { members["signed_at"] = plain(it) }
        this.level?.let { members["level"] = plain(it) }
        return members
    }
}

enum class AppStartPlatform(override val json: String) : HeadwaterEnum {
    IOS("ios"),
    ANDROID("android"),
    MACOS("macos"),
    WINDOWS("windows"),
    LINUX("linux"),
    WEB("web"),
}

/** The app's process started; opens a session. Version 1.0.0. */
data class AppStart(
    /** The app's version. (pattern "^[0-9]+(\\.[0-9]+){0,3}") */
    val version: String,
    /** What it runs on. */
    val platform: AppStartPlatform,
    /** Whether it is the first start after the installation. */
    val first: Boolean? = null,
    /** Milliseconds until the app could be used. (minimum 0) */
    val startMs: Double? = null,
) : HeadwaterProps {
    override val eventName: String get() = "app_start"

    override fun toMap(): Map<String, Any?> {
        val members = LinkedHashMap<String, Any?>()
        members["version"] = plain(this.version)
        members["platform"] = plain(this.platform)
        this.first?.let { members["first"] = plain(it) }
        this.startMs?.let { members["start_ms"] = plain(it) }
        return members
    }
}

enum class CartChangedAction(override val json: String) : HeadwaterEnum {
    ADD("add"),
    REMOVE("remove"),
    SET("set"),
    CLEAR("clear"),
}

/** Something was put into the cart, taken out, or its quantity was set. Version 1.0.0. */
data class CartChanged(
    /** What was done. */
    val action: CartChangedAction,
    /** The product; every action but `clear` has one. (minLength 1, maxLength 64) */
    val sku: String? = null,
    /** Pieces of it that are in the cart now. (minimum 0, maximum 10000) */
    val quantity: Long? = null,
    /** The price of one piece. (minimum 0) */
    val price: Double? = null,
    /** ISO 4217 code of all amounts. (pattern "^[A-Z]{3}$") */
    val currency: String? = null,
    /** What the cart comes to now. (minimum 0) */
    val total: Double? = null,
) : HeadwaterProps {
    override val eventName: String get() = "cart_changed"

    override fun toMap(): Map<String, Any?> {
        val members = LinkedHashMap<String, Any?>()
        members["action"] = plain(this.action)
        this.sku?.let { members["sku"] = plain(it) }
        this.quantity?.let { members["quantity"] = plain(it) }
        this.price?.let { members["price"] = plain(it) }
        this.currency?.let { members["currency"] = plain(it) }
        this.total?.let { members["total"] = plain(it) }
        return members
    }
}

/** A person clicked a link, a button or another thing that the page marks. Version 1.0.0. */
data class Click(
    /** The page's own name for the thing, such as `nav.cart`. (minLength 1, maxLength 128) */
    val target: String,
    /** What was to be read on it. (maxLength 200) */
    val text: String? = null,
    /** Where a link leads. (minLength 1, maxLength 8192) */
    val href: String? = null,
    /** Whether it leads to another site. */
    val outbound: Boolean? = null,
) : HeadwaterProps {
    override val eventName: String get() = "click"

    override fun toMap(): Map<String, Any?> {
        val members = LinkedHashMap<String, Any?>()
        members["target"] = plain(this.target)
        this.text?.let { members["text"] = plain(it) }
        this.href?.let { members["href"] = plain(it) }
        this.outbound?.let { members["outbound"] = plain(it) }
        return members
    }
}

/** A person followed a link to a file. Version 1.0.0. */
data class Download(
    /** The file's address. (minLength 1, maxLength 8192) */
    val href: String,
    /** The extension, in small letters. (pattern "^[a-z0-9]{1,8}$") */
    val fileType: String? = null,
    /** The file's size. (minimum 0) */
    val bytes: Long? = null,
) : HeadwaterProps {
    override val eventName: String get() = "download"

    override fun toMap(): Map<String, Any?> {
        val members = LinkedHashMap<String, Any?>()
        members["href"] = plain(this.href)
        this.fileType?.let { members["file_type"] = plain(it) }
        this.bytes?.let { members["bytes"] = plain(it) }
        return members
    }
}

enum class FormSubmitResult(override val json: String) : HeadwaterEnum {
    SENT("sent"),
    INVALID("invalid"),
    FAILED("failed"),
}

/** A form was sent. Name its fields, never send what was typed. Version 1.0.0. */
data class FormSubmit(
    /** The page's own name for the form. (minLength 1, maxLength 128) */
    val formId: String,
    /** The names of the fields that were filled in. (maxItems 100, uniqueItems) */
    val fields: List<String>? = null,
    /** What the page made of it. */
    val result: FormSubmitResult? = null,
) : HeadwaterProps {
    override val eventName: String get() = "form_submit"

    override fun toMap(): Map<String, Any?> {
        val members = LinkedHashMap<String, Any?>()
        members["form_id"] = plain(this.formId)
        this.fields?.let { members["fields"] = plain(it) }
        this.result?.let { members["result"] = plain(it) }
        return members
    }
}

/** The page said who its user is, by `user_id`. The props are what it knows of that user. Version 1.0.0. */
data class Identify(val values: Map<String, Any?> = emptyMap()) : HeadwaterProps {
    override val eventName: String get() = "identify"
    override fun toMap(): Map<String, Any?> = this.values.mapValues { plain(it.value) }
}

data class OrderPlacedLine(
    /** (minLength 1, maxLength 64) */
    val sku: String,
    /** (minimum 1) */
    val quantity: Long,
    /** Of one piece. (minimum 0) */
    val price: Double,
) : HeadwaterObject {
    override fun toMap(): Map<String, Any?> {
        val members = LinkedHashMap<String, Any?>()
        members["sku"] = plain(this.sku)
        members["quantity"] = plain(this.quantity)
        members["price"] = plain(this.price)
        return members
    }
}

/** A customer placed an order and the shop has confirmed it. Version 1.0.0. */
data class OrderPlaced(
    /** What the customer pays, tax and shipping included. (minimum 0) */
    val total: Double,
    /** ISO 4217 code of all amounts. (pattern "^[A-Z]{3}$") */
    val currency: String,
    /** The shop's number for the order. (minLength 1, maxLength 64) */
    val order: String? = null,
    /** The tax in `total`. (minimum 0) */
    val tax: Double? = null,
    /** The shipping in `total`. (minimum 0) */
    val shipping: Double? = null,
    /** The code that was redeemed. (minLength 1, maxLength 64) */
    val coupon: String? = null,
    /** What was bought. (minItems 1, maxItems 200) */
    val lines: List<OrderPlacedLine>? = null,
) : HeadwaterProps {
    override val eventName: String get() = "order_placed"

    override fun toMap(): Map<String, Any?> {
        val members = LinkedHashMap<String, Any?>()
        members["total"] = plain(this.total)
        members["currency"] = plain(this.currency)
        this.order?.let { members["order"] = plain(it) }
        this.tax?.let { members["tax"] = plain(it) }
        this.shipping?.let { members["shipping"] = plain(it) }
        this.coupon?.let { members["coupon"] = plain(it) }
        this.lines?.let { members["lines"] = plain(it) }
        return members
    }
}

/** A page was left or went out of sight. A view may have several, whose times add up. Version 1.0.0. */
data class PageLeave(
    /** How far down it was seen so far, in per cent of the page's height. (minimum 0, maximum 100) */
    val depth: Double,
    /** Milliseconds in sight and in focus since the view, or since its last such event. (minimum 0) */
    val engagedMs: Long,
) : HeadwaterProps {
    override val eventName: String get() = "page_leave"

    override fun toMap(): Map<String, Any?> {
        val members = LinkedHashMap<String, Any?>()
        members["depth"] = plain(this.depth)
        members["engaged_ms"] = plain(this.engagedMs)
        return members
    }
}

enum class PageViewKind(override val json: String) : HeadwaterEnum {
    NAVIGATE("navigate"),
    RELOAD("reload"),
    BACK_FORWARD("back_forward"),
    PRERENDER("prerender"),
}

/** A page came into view. Sent once a view, a page from the back/forward cache included. Version 1.0.0. */
data class PageView(
    /** How the browser came to the page. */
    val kind: PageViewKind? = null,
    /** Milliseconds until the page was loaded. (minimum 0) */
    val loadMs: Double? = null,
    /** The address's path, when the site names it otherwise. (minLength 1, maxLength 2048) */
    val path: String? = null,
) : HeadwaterProps {
    override val eventName: String get() = "page_view"

    override fun toMap(): Map<String, Any?> {
        val members = LinkedHashMap<String, Any?>()
        this.kind?.let { members["kind"] = plain(it) }
        this.loadMs?.let { members["load_ms"] = plain(it) }
        this.path?.let { members["path"] = plain(it) }
        return members
    }
}

enum class PointerKind(override val json: String) : HeadwaterEnum {
    MOUSE("mouse"),
    TOUCH("touch"),
    PEN("pen"),
}

/** Where the pointer was, for heat maps, and how it and the page moved: the path can be drawn again. Version 1.1.0. */
data class Pointer(
    /** In the order of time; up to a hundred. (minItems 1, maxItems 100) */
    val points: List<List<Double>>? = null,
    /** The pointer's path on the page. */
    val deltas: List<Long>? = null,
    /** The path of the window's top left on the page. */
    val scrolls: List<Long>? = null,
    /** At which points of `deltas` a button, a finger or the pen went down; the first point is 0. (minItems 1, maxItems 100) */
    val presses: List<Long>? = null,
    val kind: PointerKind? = null,
) : HeadwaterProps {
    override val eventName: String get() = "pointer"

    override fun toMap(): Map<String, Any?> {
        val members = LinkedHashMap<String, Any?>()
        this.points?.let { members["points"] = plain(it) }
        this.deltas?.let { members["deltas"] = plain(it) }
        this.scrolls?.let { members["scrolls"] = plain(it) }
        this.presses?.let { members["presses"] = plain(it) }
        this.kind?.let { members["kind"] = plain(it) }
        return members
    }
}

/** A person looked at a product's own page. Version 1.0.0. */
data class ProductViewed(
    /** The shop's number for the product. (minLength 1, maxLength 64) */
    val sku: String,
    /** The product's name. (minLength 1, maxLength 200) */
    val name: String? = null,
    /** The path in the shop, such as `shoes/running`. (minLength 1, maxLength 200) */
    val category: String? = null,
    /** The price of one piece. (minimum 0) */
    val price: Double? = null,
    /** ISO 4217 code of all amounts. (pattern "^[A-Z]{3}$") */
    val currency: String? = null,
    /** Whether it could be bought. */
    val inStock: Boolean? = null,
) : HeadwaterProps {
    override val eventName: String get() = "product_viewed"

    override fun toMap(): Map<String, Any?> {
        val members = LinkedHashMap<String, Any?>()
        members["sku"] = plain(this.sku)
        this.name?.let { members["name"] = plain(it) }
        this.category?.let { members["category"] = plain(it) }
        this.price?.let { members["price"] = plain(it) }
        this.currency?.let { members["currency"] = plain(it) }
        this.inStock?.let { members["in_stock"] = plain(it) }
        return members
    }
}

/** How far down a page a person came; the deepest point so far. Version 1.0.0. */
data class Scroll(
    /** Per cent of the page's height. (minimum 0, maximum 100) */
    val depth: Double,
    /** Pixels from the top. (minimum 0) */
    val depthPx: Long? = null,
) : HeadwaterProps {
    override val eventName: String get() = "scroll"

    override fun toMap(): Map<String, Any?> {
        val members = LinkedHashMap<String, Any?>()
        members["depth"] = plain(this.depth)
        this.depthPx?.let { members["depth_px"] = plain(it) }
        return members
    }
}

enum class VideoAdState(override val json: String) : HeadwaterEnum {
    START("start"),
    END("end"),
}

/** An ad inside a video began to play, or was over. Version 1.0.0. */
data class VideoAd(
    /** The site's id for the video. (minLength 1, maxLength 64) */
    val videoId: String,
    /** Where in the video, in seconds. (minimum 0) */
    val positionS: Double,
    /** What became of the ad. */
    val state: VideoAdState,
    /** The video's length, in seconds. (exclusiveMinimum 0) */
    val durationS: Double? = null,
    /** The cue that marks the ad, or its seconds, such as `10-25`. (minLength 1, maxLength 64) */
    val adId: String? = null,
) : HeadwaterProps {
    override val eventName: String get() = "video_ad"

    override fun toMap(): Map<String, Any?> {
        val members = LinkedHashMap<String, Any?>()
        members["video_id"] = plain(this.videoId)
        members["position_s"] = plain(this.positionS)
        members["state"] = plain(this.state)
        this.durationS?.let { members["duration_s"] = plain(it) }
        this.adId?.let { members["ad_id"] = plain(it) }
        return members
    }
}

/** A video was paused, or came to its end. Version 1.0.0. */
data class VideoPause(
    /** The site's id for the video. (minLength 1, maxLength 64) */
    val videoId: String,
    /** Where in the video, in seconds. (minimum 0) */
    val positionS: Double,
    /** The video's length, in seconds. (exclusiveMinimum 0) */
    val durationS: Double? = null,
    /** Whether it came to its end. */
    val ended: Boolean? = null,
    /** Seconds played since it started. (minimum 0) */
    val watchedS: Double? = null,
) : HeadwaterProps {
    override val eventName: String get() = "video_pause"

    override fun toMap(): Map<String, Any?> {
        val members = LinkedHashMap<String, Any?>()
        members["video_id"] = plain(this.videoId)
        members["position_s"] = plain(this.positionS)
        this.durationS?.let { members["duration_s"] = plain(it) }
        this.ended?.let { members["ended"] = plain(it) }
        this.watchedS?.let { members["watched_s"] = plain(it) }
        return members
    }
}

/** A video played past a mark, which it does once a view; a seek past it does not count. Version 1.0.0. */
data class VideoProgress(
    /** The site's id for the video. (minLength 1, maxLength 64) */
    val videoId: String,
    /** Where in the video, in seconds. (minimum 0) */
    val positionS: Double,
    /** The mark, in per cent of the length: the snippet's are 25, 50, 75 and 95. (minimum 1, maximum 100) */
    val percent: Long,
    /** The video's length, in seconds. (exclusiveMinimum 0) */
    val durationS: Double? = null,
    /** Seconds played since it started. (minimum 0) */
    val watchedS: Double? = null,
) : HeadwaterProps {
    override val eventName: String get() = "video_progress"

    override fun toMap(): Map<String, Any?> {
        val members = LinkedHashMap<String, Any?>()
        members["video_id"] = plain(this.videoId)
        members["position_s"] = plain(this.positionS)
        members["percent"] = plain(this.percent)
        this.durationS?.let { members["duration_s"] = plain(it) }
        this.watchedS?.let { members["watched_s"] = plain(it) }
        return members
    }
}

/** A video began to play, or went on after a pause. Version 1.0.0. */
data class VideoStart(
    /** The site's id for the video. (minLength 1, maxLength 64) */
    val videoId: String,
    /** Where in the video, in seconds. (minimum 0) */
    val positionS: Double,
    /** The video's length, in seconds. (exclusiveMinimum 0) */
    val durationS: Double? = null,
    /** Whether it began by itself. */
    val autoplay: Boolean? = null,
) : HeadwaterProps {
    override val eventName: String get() = "video_start"

    override fun toMap(): Map<String, Any?> {
        val members = LinkedHashMap<String, Any?>()
        members["video_id"] = plain(this.videoId)
        members["position_s"] = plain(this.positionS)
        this.durationS?.let { members["duration_s"] = plain(it) }
        this.autoplay?.let { members["autoplay"] = plain(it) }
        return members
    }
}

enum class WebVitalsKind(override val json: String) : HeadwaterEnum {
    NAVIGATE("navigate"),
    RELOAD("reload"),
    BACK_FORWARD("back_forward"),
    BACK_FORWARD_CACHE("back_forward_cache"),
    PRERENDER("prerender"),
    RESTORE("restore"),
}

/** How fast and how steady a page view was so far (https://web.dev/articles/vitals). The last of a view counts. Version 1.0.0. */
data class WebVitals(
    /** Largest Contentful Paint: good up to 2,500, poor past 4,000. (minimum 0) */
    val lcpMs: Long? = null,
    /** Cumulative Layout Shift: good up to 0.1, poor past 0.25. (minimum 0) */
    val cls: Double? = null,
    /** Interaction to Next Paint: good up to 200, poor past 500. Absent when nothing was clicked or typed. (minimum 0) */
    val inpMs: Long? = null,
    /** First Contentful Paint: good up to 1,800, poor past 3,000. (minimum 0) */
    val fcpMs: Long? = null,
    /** Time to First Byte: good up to 800, poor past 1,800. (minimum 0) */
    val ttfbMs: Long? = null,
    /** How the browser came to the page; `restore` is a tab that it had put away. */
    val kind: WebVitalsKind? = null,
) : HeadwaterProps {
    override val eventName: String get() = "web_vitals"

    override fun toMap(): Map<String, Any?> {
        val members = LinkedHashMap<String, Any?>()
        this.lcpMs?.let { members["lcp_ms"] = plain(it) }
        this.cls?.let { members["cls"] = plain(it) }
        this.inpMs?.let { members["inp_ms"] = plain(it) }
        this.fcpMs?.let { members["fcp_ms"] = plain(it) }
        this.ttfbMs?.let { members["ttfb_ms"] = plain(it) }
        this.kind?.let { members["kind"] = plain(it) }
        return members
    }
}

/** An event without a schema. */
data class OtherEvent(override val eventName: String, val values: Map<String, Any?> = emptyMap()) : HeadwaterProps {
    override fun toMap(): Map<String, Any?> = this.values.mapValues { plain(it.value) }
}
