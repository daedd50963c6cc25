// The events of the catalogue. Made by scripts/types; edit the schemas, not this file.

import Foundation

/// Any value of JSON.
public enum JSONValue: Codable, Hashable, Sendable {
    case null
    case bool(Bool)
    case integer(Int)
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])

    public init(from decoder: Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Int.self) {
            self = .integer(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode([JSONValue].self) {
            self = .array(value)
        } else {
            self = .object(try container.decode([String: JSONValue].self))
        }
    }

    public func encode(to encoder: Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .bool(let value): try container.encode(value)
        case .integer(let value): try container.encode(value)
        case .number(let value): try container.encode(value)
        case .string(let value): try container.encode(value)
        case .array(let value): try container.encode(value)
        case .object(let value): try container.encode(value)
        }
    }
}

/// The props of an event.
public protocol HeadwaterProps: Codable, Hashable, Sendable {
    static var eventName: String { get }
}

/// An event: its props, and the fields that your app sets beside them. `metadata` holds annotations of your own.
public struct HeadwaterEvent<Props: HeadwaterProps>: Codable, Hashable, Sendable {
    public var name = Props.eventName
    public var props: Props
    public var metadata: [String: JSONValue]?
    /// A UUID that a retry keeps; made on receipt if absent.
    public var id: String?
    /// Names the browser or the app's installation.
    public var deviceId: String?
    /// The client's clock: RFC 3339, or milliseconds since the epoch.
    public var time: JSONValue?
    /// The event's number on its device.
    public var seq: Int?
    /// Replaces the level of the schema.
    public var level: HeadwaterEventLevel?
    /// The client's own view of the session.
    public var sessionId: String?
    /// The site's own id for the user.
    public var userId: String?
    /// The version of the site or app.
    public var build: String?
    /// Such as de-CH.
    public var language: String?
    /// The page's title.
    public var title: String?
    /// The page's address.
    public var url: String?
    /// The address of the page before.
    public var referrer: String?
    /// WIDTHxHEIGHT in pixels.
    public var screen: String?
    /// WIDTHxHEIGHT in pixels.
    public var viewport: String?
    /// What the person allowed.
    public var consent: HeadwaterEventConsent?
    /// Proves user_id.
    public var userHash: String?
    /// The name in the system that the event comes from.
    public var sourceName: String?
    /// The id in the system that the event comes from.
    public var sourceEventId: String?
    /// The visitor's address; needs a server key.
    public var ip: String?
    /// The visitor's User-Agent; needs a server key.
    public var userAgent: String?
    /// The visitor's time zone; needs a server key.
    public var timezone: String?
    /// Whether the event is of an archive; needs a server key.
    public var historical: Bool?
    /// Whether your server has verified the user; needs a server key.
    public var userVerified: Bool?

    public init(_ props: Props, metadata: [String: JSONValue]? = nil) {
        self.props = props
        self.metadata = metadata
    }

    enum CodingKeys: String, CodingKey {
        case name
        case props
        case metadata
        case id
        case deviceId = "device_id"
        case time
        case seq
        case level
        case sessionId = "session_id"
        case userId = "user_id"
        case build
        case language
        case title
        case url
        case referrer
        case screen
        case viewport
        case consent
        case userHash = "user_hash"
        case sourceName = "source_name"
        case sourceEventId = "source_event_id"
        case ip
        case userAgent = "user_agent"
        case timezone
        case historical
        case userVerified = "user_verified"
    }
}

public enum HeadwaterEventLevel: String, Codable, Hashable, Sendable {
    case low
    case mid
    case high
}

public enum HeadwaterEventConsent: String, Codable, Hashable, Sendable {
    case granted
    case denied
}

/// An ad was in view, half of it or more, for a second or longer. Version 1.0.0.
public struct AdImpression: HeadwaterProps {
    public static let eventName = "ad_impression"

    /// The ad server's id for the ad. (minLength 1, maxLength 64)
    public var adId: String
    /// The place on the page. (minLength 1, maxLength 64)
    public var slot: String
    /// The campaign that it belongs to. (minLength 1, maxLength 64)
    public var campaignId: String?
    /// Milliseconds in view. (minimum 1000)
    public var visibleMs: Int?
    /// What the impression pays. (minimum 0)
    public var price: Double?
    /// ISO 4217 code of all amounts. (pattern "^[A-Z]{3}$")
    public var currency: String?

    public init(adId: String, slot: String, campaignId: String? = nil, visibleMs: Int? = nil, price: Double? = nil, currency: String? = nil) {
        self.adId = adId
        self.slot = slot
        self.campaignId = campaignId
        self.visibleMs = visibleMs
        self.price = price
        self.currency = currency
    }

    enum CodingKeys: String, CodingKey {
        case adId = "ad_id"
        case slot
        case campaignId = "campaign_id"
        case visibleMs = "visible_ms"
        case price
        case currency
    }
}

/// A person changed a document; sent once a save or a minute, whichever comes first. Version 1.0.0.
public struct AppEdit: HeadwaterProps {
    public static let eventName = "app_edit"

    /// The document. (format "uuid")
    public var documentId: String
    /// Changes since the last such event. (minimum 1)
    public var changes: Int
    /// What the changes were made with. (maxItems 50, uniqueItems)
    public var tools: [String]?
    /// Seconds of work since the last such event. (minimum 0)
    public var seconds: Double?

    public init(documentId: String, changes: Int, tools: [String]? = nil, seconds: Double? = nil) {
        self.documentId = documentId
        self.changes = changes
        self.tools = tools
        self.seconds = seconds
    }

    enum CodingKeys: String, CodingKey {
        case documentId = "document_id"
        case changes
        case tools
        case seconds
    }
}

public enum AppOpenSource: String, Codable, Hashable, Sendable {
    case icon
    case link
    case push
    case document
    case share
}

/// The app, or a document in it, came to the front; opens a session. Version 1.0.0.
public struct AppOpen: HeadwaterProps {
    public static let eventName = "app_open"

    /// What brought it there.
    public var source: AppOpenSource
    /// The document, if one was opened. (format "uuid")
    public var documentId: String?
    /// The link that was followed. (format "uri", maxLength 8192)
    public var link: String?

    public init(source: AppOpenSource, documentId: String? = nil, link: String? = nil) {
        self.source = source
        self.documentId = documentId
        self.link = link
    }

    enum CodingKeys: String, CodingKey {
        case source
        case documentId = "document_id"
        case link
    }
}

public enum AppShareChannel: String, Codable, Hashable, Sendable {
    case link
    case email
    case message
    case export
}

/// A person shared a document with others. Version 1.0.0.
public struct AppShare: HeadwaterProps {
    public static let eventName = "app_share"

    /// The document. (format "uuid")
    public var documentId: String
    /// How it was shared.
    public var channel: AppShareChannel
    /// How many it was shared with; who they are stays out. (minimum 0)
    public var recipients: Int?
    /// The last day on which the share works. (format "date")
    public var expiresOn: String?

    public init(documentId: String, channel: AppShareChannel, recipients: Int? = nil, expiresOn: String? = nil) {
        self.documentId = documentId
        self.channel = channel
        self.recipients = recipients
        self.expiresOn = expiresOn
    }

    enum CodingKeys: String, CodingKey {
        case documentId = "document_id"
        case channel
        case recipients
        case expiresOn = "expires_on"
    }
}

public enum AppSignResult: String, Codable, Hashable, Sendable {
    case signed
    case declined
}

public enum AppSignLevel: String, Codable, Hashable, Sendable {
    case simple
    case advanced
    case qualified
}

/// A person signed a document, or declined to. Version 1.0.0.
public struct AppSign: HeadwaterProps {
    public static let eventName = "app_sign"

    /// The document. (format "uuid")
    public var documentId: String
    /// What the person did.
    public var result: AppSignResult
    /// The time that the signature bears; a signed document has one. (format "date-time")
    public var signedAt: String?
    /// The signature's kind by eIDAS.
    public var level: AppSignLevel?

    public init(documentId: String, result: AppSignResult, signedAt: String? = nil, level: AppSignLevel? = nil) {
        self.documentId = documentId
        self.result = result
        self.signedAt = signedAt
        self.level = level
    }

    enum CodingKeys: String, CodingKey {
        case documentId = "document_id"
        case result
        case signedAt = "signed_at"
        case level
    }
}

public enum AppStartPlatform: String, Codable, Hashable, Sendable {
    case ios
    case android
    case macos
    case windows
    case linux
    case web
}

/// The app's process started; opens a session. Version 1.0.0.
public struct AppStart: HeadwaterProps {
    public static let eventName = "app_start"

    /// The app's version. (pattern "^[0-9]+(\\.[0-9]+){0,3}")
    public var version: String
    /// What it runs on.
    public var platform: AppStartPlatform
    /// Whether it is the first start after the installation.
    public var first: Bool?
    /// Milliseconds until the app could be used. (minimum 0)
    public var startMs: Double?

    public init(version: String, platform: AppStartPlatform, first: Bool? = nil, startMs: Double? = nil) {
        self.version = version
        self.platform = platform
        self.first = first
        self.startMs = startMs
    }

    enum CodingKeys: String, CodingKey {
        case version
        case platform
        case first
        case startMs = "start_ms"
    }
}

public enum CartChangedAction: String, Codable, Hashable, Sendable {
    case add
    case remove
    case set
    case clear
}

/// Something was put into the cart, taken out, or its quantity was set. Version 1.0.0.
public struct CartChanged: HeadwaterProps {
    public static let eventName = "cart_changed"

    /// What was done.
    public var action: CartChangedAction
    /// The product; every action but `clear` has one. (minLength 1, maxLength 64)
    public var sku: String?
    /// Pieces of it that are in the cart now. (minimum 0, maximum 10000)
    public var quantity: Int?
    /// The price of one piece. (minimum 0)
    public var price: Double?
    /// ISO 4217 code of all amounts. (pattern "^[A-Z]{3}$")
    public var currency: String?
    /// What the cart comes to now. (minimum 0)
    public var total: Double?

    public init(action: CartChangedAction, sku: String? = nil, quantity: Int? = nil, price: Double? = nil, currency: String? = nil, total: Double? = nil) {
        self.action = action
        self.sku = sku
        self.quantity = quantity
        self.price = price
        self.currency = currency
        self.total = total
    }
}

/// A person clicked a link, a button or another thing that the page marks. Version 1.0.0.
public struct Click: HeadwaterProps {
    public static let eventName = "click"

    /// The page's own name for the thing, such as `nav.cart`. (minLength 1, maxLength 128)
    public var target: String
    /// What was to be read on it. (maxLength 200)
    public var text: String?
    /// Where a link leads. (minLength 1, maxLength 8192)
    public var href: String?
    /// Whether it leads to another site.
    public var outbound: Bool?

    public init(target: String, text: String? = nil, href: String? = nil, outbound: Bool? = nil) {
        self.target = target
        self.text = text
        self.href = href
        self.outbound = outbound
    }
}

/// A person followed a link to a file. Version 1.0.0.
public struct Download: HeadwaterProps {
    public static let eventName = "download"

    /// The file's address. (minLength 1, maxLength 8192)
    public var href: String
    /// The extension, in small letters. (pattern "^[a-z0-9]{1,8}$")
    public var fileType: String?
    /// The file's size. (minimum 0)
    public var bytes: Int?

    public init(href: String, fileType: String? = nil, bytes: Int? = nil) {
        self.href = href
        self.fileType = fileType
        self.bytes = bytes
    }

    enum CodingKeys: String, CodingKey {
        case href
        case fileType = "file_type"
        case bytes
    }
}

public enum FormSubmitResult: String, Codable, Hashable, Sendable {
    case sent
    case invalid
    case failed
}

/// A form was sent. Name its fields, never send what was typed. Version 1.0.0.
public struct FormSubmit: HeadwaterProps {
    public static let eventName = "form_submit"

    /// The page's own name for the form. (minLength 1, maxLength 128)
    public var formId: String
    /// The names of the fields that were filled in. (maxItems 100, uniqueItems)
    public var fields: [String]?
    /// What the page made of it.
    public var result: FormSubmitResult?

    public init(formId: String, fields: [String]? = nil, result: FormSubmitResult? = nil) {
        self.formId = formId
        self.fields = fields
        self.result = result
    }

    enum CodingKeys: String, CodingKey {
        case formId = "form_id"
        case fields
        case result
    }
}

/// The page said who its user is, by `user_id`. The props are what it knows of that user. Version 1.0.0.
public struct Identify: HeadwaterProps {
    public static let eventName = "identify"

    public var values: [String: JSONValue]

    public init(_ values: [String: JSONValue] = [:]) {
        self.values = values
    }

    public init(from decoder: Decoder) throws {
        values = try decoder.singleValueContainer().decode([String: JSONValue].self)
    }

    public func encode(to encoder: Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(values)
    }
}

public struct OrderPlacedLine: Codable, Hashable, Sendable {
    /// (minLength 1, maxLength 64)
    public var sku: String
    /// (minimum 1)
    public var quantity: Int
    /// Of one piece. (minimum 0)
    public var price: Double

    public init(sku: String, quantity: Int, price: Double) {
        self.sku = sku
        self.quantity = quantity
        self.price = price
    }
}

/// A customer placed an order and the shop has confirmed it. Version 1.0.0.
public struct OrderPlaced: HeadwaterProps {
    public static let eventName = "order_placed"

    /// What the customer pays, tax and shipping included. (minimum 0)
    public var total: Double
    /// ISO 4217 code of all amounts. (pattern "^[A-Z]{3}$")
    public var currency: String
    /// The shop's number for the order. (minLength 1, maxLength 64)
    public var order: String?
    /// The tax in `total`. (minimum 0)
    public var tax: Double?
    /// The shipping in `total`. (minimum 0)
    public var shipping: Double?
    /// The code that was redeemed. (minLength 1, maxLength 64)
    public var coupon: String?
    /// What was bought. (minItems 1, maxItems 200)
    public var lines: [OrderPlacedLine]?

    public init(total: Double, currency: String, order: String? = nil, tax: Double? = nil, shipping: Double? = nil, coupon: String? = nil, lines: [OrderPlacedLine]? = nil) {
        self.total = total
        self.currency = currency
        self.order = order
        self.tax = tax
        self.shipping = shipping
        self.coupon = coupon
        self.lines = lines
    }
}

/// A page was left or went out of sight. A view may have several, whose times add up. Version 1.0.0.
public struct PageLeave: HeadwaterProps {
    public static let eventName = "page_leave"

    /// How far down it was seen so far, in per cent of the page's height. (minimum 0, maximum 100)
    public var depth: Double
    /// Milliseconds in sight and in focus since the view, or since its last such event. (minimum 0)
    public var engagedMs: Int

    public init(depth: Double, engagedMs: Int) {
        self.depth = depth
        self.engagedMs = engagedMs
    }

    enum CodingKeys: String, CodingKey {
        case depth
        case engagedMs = "engaged_ms"
    }
}

public enum PageViewKind: String, Codable, Hashable, Sendable {
    case navigate
    case reload
    case backForward = "back_forward"
    case prerender
}

/// A page came into view. Sent once a view, a page from the back/forward cache included. Version 1.0.0.
public struct PageView: HeadwaterProps {
    public static let eventName = "page_view"

    /// How the browser came to the page.
    public var kind: PageViewKind?
    /// Milliseconds until the page was loaded. (minimum 0)
    public var loadMs: Double?
    /// The address's path, when the site names it otherwise. (minLength 1, maxLength 2048)
    public var path: String?

    public init(kind: PageViewKind? = nil, loadMs: Double? = nil, path: String? = nil) {
        self.kind = kind
        self.loadMs = loadMs
        self.path = path
    }

    enum CodingKeys: String, CodingKey {
        case kind
        case loadMs = "load_ms"
        case path
    }
}

public enum PointerKind: String, Codable, Hashable, Sendable {
    case mouse
    case touch
    case pen
}

/// Where the pointer was, for heat maps, and how it and the page moved: the path can be drawn again. Version 1.1.0.
public struct Pointer: HeadwaterProps {
    public static let eventName = "pointer"

    /// In the order of time; up to a hundred. (minItems 1, maxItems 100)
    public var points: [[Double]]?
    /// The pointer's path on the page.
    public var deltas: [Int]?
    /// The path of the window's top left on the page.
    public var scrolls: [Int]?
    /// At which points of `deltas` a button, a finger or the pen went down; the first point is 0. (minItems 1, maxItems 100)
    public var presses: [Int]?
    public var kind: PointerKind?

    public init(points: [[Double]]? = nil, deltas: [Int]? = nil, scrolls: [Int]? = nil, presses: [Int]? = nil, kind: PointerKind? = nil) {
        self.points = points
        self.deltas = deltas
        self.scrolls = scrolls
        self.presses = presses
        self.kind = kind
    }
}

/// A person looked at a product's own page. Version 1.0.0.
public struct ProductViewed: HeadwaterProps {
    public static let eventName = "product_viewed"

    /// The shop's number for the product. (minLength 1, maxLength 64)
    public var sku: String
    /// The product's name. (minLength 1, maxLength 200)
    public var name: String?
    /// The path in the shop, such as `shoes/running`. (minLength 1, maxLength 200)
    public var category: String?
    /// The price of one piece. (minimum 0)
    public var price: Double?
    /// ISO 4217 code of all amounts. (pattern "^[A-Z]{3}$")
    public var currency: String?
    /// Whether it could be bought.
    public var inStock: Bool?

    public init(sku: String, name: String? = nil, category: String? = nil, price: Double? = nil, currency: String? = nil, inStock: Bool? = nil) {
        self.sku = sku
        self.name = name
        self.category = category
        self.price = price
        self.currency = currency
        self.inStock = inStock
    }

    enum CodingKeys: String, CodingKey {
        case sku
        case name
        case category
        case price
        case currency
        case inStock = "in_stock"
    }
}

/// How far down a page a person came; the deepest point so far. Version 1.0.0.
public struct Scroll: HeadwaterProps {
    public static let eventName = "scroll"

    /// Per cent of the page's height. (minimum 0, maximum 100)
    public var depth: Double
    /// Pixels from the top. (minimum 0)
    public var depthPx: Int?

    public init(depth: Double, depthPx: Int? = nil) {
        self.depth = depth
        self.depthPx = depthPx
    }

    enum CodingKeys: String, CodingKey {
        case depth
        case depthPx = "depth_px"
    }
}

public enum VideoAdState: String, Codable, Hashable, Sendable {
    case start
    case end
}

/// An ad inside a video began to play, or was over. Version 1.0.0.
public struct VideoAd: HeadwaterProps {
    public static let eventName = "video_ad"

    /// The site's id for the video. (minLength 1, maxLength 64)
    public var videoId: String
    /// Where in the video, in seconds. (minimum 0)
    public var positionS: Double
    /// What became of the ad.
    public var state: VideoAdState
    /// The video's length, in seconds. (exclusiveMinimum 0)
    public var durationS: Double?
    /// The cue that marks the ad, or its seconds, such as `10-25`. (minLength 1, maxLength 64)
    public var adId: String?

    public init(videoId: String, positionS: Double, state: VideoAdState, durationS: Double? = nil, adId: String? = nil) {
        self.videoId = videoId
        self.positionS = positionS
        self.state = state
        self.durationS = durationS
        self.adId = adId
    }

    enum CodingKeys: String, CodingKey {
        case videoId = "video_id"
        case positionS = "position_s"
        case state
        case durationS = "duration_s"
        case adId = "ad_id"
    }
}

/// A video was paused, or came to its end. Version 1.0.0.
public struct VideoPause: HeadwaterProps {
    public static let eventName = "video_pause"

    /// The site's id for the video. (minLength 1, maxLength 64)
    public var videoId: String
    /// Where in the video, in seconds. (minimum 0)
    public var positionS: Double
    /// The video's length, in seconds. (exclusiveMinimum 0)
    public var durationS: Double?
    /// Whether it came to its end.
    public var ended: Bool?
    /// Seconds played since it started. (minimum 0)
    public var watchedS: Double?

    public init(videoId: String, positionS: Double, durationS: Double? = nil, ended: Bool? = nil, watchedS: Double? = nil) {
        self.videoId = videoId
        self.positionS = positionS
        self.durationS = durationS
        self.ended = ended
        self.watchedS = watchedS
    }

    enum CodingKeys: String, CodingKey {
        case videoId = "video_id"
        case positionS = "position_s"
        case durationS = "duration_s"
        case ended
        case watchedS = "watched_s"
    }
}

/// A video played past a mark, which it does once a view; a seek past it does not count. Version 1.0.0.
public struct VideoProgress: HeadwaterProps {
    public static let eventName = "video_progress"

    /// The site's id for the video. (minLength 1, maxLength 64)
    public var videoId: String
    /// Where in the video, in seconds. (minimum 0)
    public var positionS: Double
    /// The mark, in per cent of the length: the snippet's are 25, 50, 75 and 95. (minimum 1, maximum 100)
    public var percent: Int
    /// The video's length, in seconds. (exclusiveMinimum 0)
    public var durationS: Double?
    /// Seconds played since it started. (minimum 0)
    public var watchedS: Double?

    public init(videoId: String, positionS: Double, percent: Int, durationS: Double? = nil, watchedS: Double? = nil) {
        self.videoId = videoId
        self.positionS = positionS
        self.percent = percent
        self.durationS = durationS
        self.watchedS = watchedS
    }

    enum CodingKeys: String, CodingKey {
        case videoId = "video_id"
        case positionS = "position_s"
        case percent
        case durationS = "duration_s"
        case watchedS = "watched_s"
    }
}

/// A video began to play, or went on after a pause. Version 1.0.0.
public struct VideoStart: HeadwaterProps {
    public static let eventName = "video_start"

    /// The site's id for the video. (minLength 1, maxLength 64)
    public var videoId: String
    /// Where in the video, in seconds. (minimum 0)
    public var positionS: Double
    /// The video's length, in seconds. (exclusiveMinimum 0)
    public var durationS: Double?
    /// Whether it began by itself.
    public var autoplay: Bool?

    public init(videoId: String, positionS: Double, durationS: Double? = nil, autoplay: Bool? = nil) {
        self.videoId = videoId
        self.positionS = positionS
        self.durationS = durationS
        self.autoplay = autoplay
    }

    enum CodingKeys: String, CodingKey {
        case videoId = "video_id"
        case positionS = "position_s"
        case durationS = "duration_s"
        case autoplay
    }
}

public enum WebVitalsKind: String, Codable, Hashable, Sendable {
    case navigate
    case reload
    case backForward = "back_forward"
    case backForwardCache = "back_forward_cache"
    case prerender
    case restore
}

/// How fast and how steady a page view was so far (https://web.dev/articles/vitals). The last of a view counts. Version 1.0.0.
public struct WebVitals: HeadwaterProps {
    public static let eventName = "web_vitals"

    /// Largest Contentful Paint: good up to 2,500, poor past 4,000. (minimum 0)
    public var lcpMs: Int?
    /// Cumulative Layout Shift: good up to 0.1, poor past 0.25. (minimum 0)
    public var cls: Double?
    /// Interaction to Next Paint: good up to 200, poor past 500. Absent when nothing was clicked or typed. (minimum 0)
    public var inpMs: Int?
    /// First Contentful Paint: good up to 1,800, poor past 3,000. (minimum 0)
    public var fcpMs: Int?
    /// Time to First Byte: good up to 800, poor past 1,800. (minimum 0)
    public var ttfbMs: Int?
    /// How the browser came to the page; `restore` is a tab that it had put away.
    public var kind: WebVitalsKind?

    public init(lcpMs: Int? = nil, cls: Double? = nil, inpMs: Int? = nil, fcpMs: Int? = nil, ttfbMs: Int? = nil, kind: WebVitalsKind? = nil) {
        self.lcpMs = lcpMs
        self.cls = cls
        self.inpMs = inpMs
        self.fcpMs = fcpMs
        self.ttfbMs = ttfbMs
        self.kind = kind
    }

    enum CodingKeys: String, CodingKey {
        case lcpMs = "lcp_ms"
        case cls
        case inpMs = "inp_ms"
        case fcpMs = "fcp_ms"
        case ttfbMs = "ttfb_ms"
        case kind
    }
}
