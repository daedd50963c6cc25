"""Snowplow's exports: enriched events as tab-separated values, the JSON of its Analytics SDKs, and Parquet of its loaders.

An enriched event becomes the parameters of a tracker again. What Snowplow's enrichments added stays beside them, under
its own name, and the worker keeps it in `metadata.snowplow`.

Sources: https://docs.snowplow.io/docs/fundamentals/canonical-event/understanding-the-enriched-tsv-format/,
https://docs.snowplow.io/docs/events/going-deeper/event-parameters/,
https://docs.snowplow.io/docs/api-reference/loaders-storage-targets/schemas-in-warehouse/
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from import_form import JsonObject, Rejected, array_body, hashed_id, json_in, milliseconds, stated, time_of, written
from import_source import Unreadable, json_object

# The columns of an enriched event, in their order.
COLUMNS = """
app_id platform etl_tstamp collector_tstamp dvce_created_tstamp event event_id txn_id name_tracker v_tracker v_collector
v_etl user_id user_ipaddress user_fingerprint domain_userid domain_sessionidx network_userid geo_country geo_region
geo_city geo_zipcode geo_latitude geo_longitude geo_region_name ip_isp ip_organization ip_domain ip_netspeed page_url
page_title page_referrer page_urlscheme page_urlhost page_urlport page_urlpath page_urlquery page_urlfragment
refr_urlscheme refr_urlhost refr_urlport refr_urlpath refr_urlquery refr_urlfragment refr_medium refr_source refr_term
mkt_medium mkt_source mkt_term mkt_content mkt_campaign contexts se_category se_action se_label se_property se_value
unstruct_event tr_orderid tr_affiliation tr_total tr_tax tr_shipping tr_city tr_state tr_country ti_orderid ti_sku
ti_name ti_category ti_price ti_quantity pp_xoffset_min pp_xoffset_max pp_yoffset_min pp_yoffset_max useragent br_name
br_family br_version br_type br_renderengine br_lang br_features_pdf br_features_flash br_features_java
br_features_director br_features_quicktime br_features_realplayer br_features_windowsmedia br_features_gears
br_features_silverlight br_cookies br_colordepth br_viewwidth br_viewheight os_name os_family os_manufacturer
os_timezone dvce_type dvce_ismobile dvce_screenwidth dvce_screenheight doc_charset doc_width doc_height tr_currency
tr_total_base tr_tax_base tr_shipping_base ti_currency ti_price_base base_currency geo_timezone mkt_clickid mkt_network
etl_tags dvce_sent_tstamp refr_domain_userid refr_dvce_tstamp derived_contexts domain_sessionid derived_tstamp
event_vendor event_name event_format event_version event_fingerprint true_tstamp
""".split()

# The values of `event`, and of the parameter `e`.
KINDS = {
    "page_view": "pv",
    "page_ping": "pp",
    "struct": "se",
    "transaction": "tr",
    "transaction_item": "ti",
    "unstruct": "ue",
}

# The time after the correction of the client's clock comes first, unless the tracker stated a true one.
TIMES = ("true_tstamp", "derived_tstamp", "collector_tstamp", "dvce_created_tstamp")

PARAMETERS = {
    "app_id": "aid", "platform": "p", "event_id": "eid", "txn_id": "tid", "name_tracker": "tna", "v_tracker": "tv",
    "user_id": "uid", "user_ipaddress": "ip", "user_fingerprint": "fp", "domain_userid": "duid",
    "domain_sessionidx": "vid", "domain_sessionid": "sid", "network_userid": "tnuid", "page_url": "url",
    "page_title": "page", "page_referrer": "refr", "useragent": "ua", "br_lang": "lang", "br_cookies": "cookie",
    "br_colordepth": "cd", "os_timezone": "tz", "doc_charset": "cs",
    "se_category": "se_ca", "se_action": "se_ac", "se_label": "se_la", "se_property": "se_pr", "se_value": "se_va",
    "tr_orderid": "tr_id", "tr_affiliation": "tr_af", "tr_total": "tr_tt", "tr_tax": "tr_tx", "tr_shipping": "tr_sh",
    "tr_city": "tr_ci", "tr_state": "tr_st", "tr_country": "tr_co", "tr_currency": "tr_cu",
    "ti_orderid": "ti_id", "ti_sku": "ti_sk", "ti_name": "ti_nm", "ti_category": "ti_ca", "ti_price": "ti_pr",
    "ti_quantity": "ti_qu", "ti_currency": "ti_cu",
    "pp_xoffset_min": "pp_mix", "pp_xoffset_max": "pp_max", "pp_yoffset_min": "pp_miy", "pp_yoffset_max": "pp_may",
}  # fmt: skip
SIZES = {
    "res": ("dvce_screenwidth", "dvce_screenheight"),
    "vp": ("br_viewwidth", "br_viewheight"),
    "ds": ("doc_width", "doc_height"),
}
# What other columns have: the parts of both URLs, and the schema of an event that has none of its own.
_LEFT_OUT = {
    *(f"{kind}_url{part}" for kind in ("page", "refr") for part in ("scheme", "host", "port", "path", "query", "fragment")),
    "geo_location", "event_vendor", "event_name", "event_format", "event_version", "true_tstamp", "historical",
}  # fmt: skip

CONTEXTS_SCHEMA = "iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-1"
EVENT_SCHEMA = "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0"
PAYLOAD_SCHEMA = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4"

# A column of a loader or an SDK: `contexts_com_acme_user_1`, or in BigQuery `…_1_0_0`, of `iglu:com.acme/user/jsonschema/1-…`.
_SHREDDED = re.compile(r"(?:contexts|unstruct_event)_(?P<words>\w+?)_(?P<version>\d+(?:_\d+_\d+)?)")
# Vendors of more than two words, longest first: where a vendor ends is not in the name of a column.
_VENDORS = (
    "com.snowplowanalytics.snowplow.ecommerce", "com.snowplowanalytics.snowplow.media",
    "com.snowplowanalytics.console", "com.snowplowanalytics.mobile", "com.snowplowanalytics.monitoring.batch",
    "com.snowplowanalytics.monitoring.kinesis", "com.snowplowanalytics.snowplow", "com.google.analytics.enhanced-ecommerce",
    "com.google.analytics.measurement-protocol", "com.google.analytics", "com.google.tag-manager.server-side",
    "com.iab.snowplow", "com.maxmind", "nl.basjes", "org.w3", "org.ietf", "com.optimizely.snowplow", "com.amazon.aws.ec2",
)  # fmt: skip


class Snowplow:
    """Enriched events, sent as a tracker sends them."""

    name, protocol, address = "snowplow", "snowplow", "/com.snowplowanalytics.snowplow/tp2"
    max_body_bytes = 1_048_576

    def parse(self, text: str) -> JsonObject | Unreadable:
        if text.lstrip().startswith("{"):
            return json_object(text)
        values = text.split("\t")
        if len(values) != len(COLUMNS):
            return Unreadable("bad_tsv", f"the line has {len(values)} columns, not {len(COLUMNS)}")
        return stated(dict(zip(COLUMNS, values, strict=True)))

    def fits(self, row: JsonObject) -> bool:
        return "event_id" in row and bool({"collector_tstamp", "derived_tstamp", "v_collector"} & row.keys())

    def message(self, row: JsonObject, file: str) -> tuple[JsonObject, datetime, str]:
        event = row.get("event")
        kind = KINDS.get(event) if isinstance(event, str) else None
        if kind is None:
            raise Rejected("not_allowed", "event is none of " + ", ".join(KINDS))
        at = time_of(row, TIMES)
        columns = stated(row)
        columns.pop("event")
        item: JsonObject = {"e": kind, "historical": True, "dtm": str(milliseconds(at))}
        contexts = [*_listed(columns, "contexts"), *_listed(columns, "derived_contexts"), *_shredded_contexts(columns)]
        described = _event_of(columns)
        if kind == "ue":
            if described is None:
                raise Rejected("missing_field", "there is no unstruct_event")
            item["ue_pr"] = written({"schema": EVENT_SCHEMA, "data": described}).decode()
        if contexts:
            item["co"] = written({"schema": CONTEXTS_SCHEMA, "data": contexts}).decode()
        for parameter, (width, height) in SIZES.items():
            if width in columns and height in columns:
                item[parameter] = f"{columns.pop(width)}x{columns.pop(height)}"
        for column, parameter in PARAMETERS.items():
            if column in columns:
                item[parameter] = columns.pop(column)
        if "eid" not in item:
            item["eid"] = hashed_id("snowplow", row)
        item |= {column: value for column, value in columns.items() if column not in _LEFT_OUT}
        name = str(row.get("event_name") or event)
        return item, at, name

    def body(self, messages: Iterable[bytes]) -> bytes:
        return array_body(b'{"schema":"%s","data":[' % PAYLOAD_SCHEMA.encode(), messages)


def _listed(columns: JsonObject, column: str) -> list[Any]:
    """Takes the contexts of a column: `{"schema": …, "data": [{"schema": …, "data": {…}}]}`."""
    found = json_in(columns, column)
    if isinstance(found, dict):
        found = found.get("data")
    if found is None:
        return []
    if not isinstance(found, list):
        raise Rejected("wrong_type", f"{column} has no list of contexts")
    return found


def _shredded_contexts(columns: JsonObject) -> list[Any]:
    """Takes the contexts that have a column each, as lists of their data."""
    contexts = []
    for column in [name for name in columns if name.startswith("contexts_")]:
        if match := _SHREDDED.fullmatch(column):
            found = json_in(columns, column)
            for data in found if isinstance(found, list) else [found]:
                contexts.append({"schema": _schema(match, data), "data": _without_version(data)})
    return contexts


def _event_of(columns: JsonObject) -> Any:
    """Takes the self-describing event: `{"schema": …, "data": {…}}`."""
    whole = json_in(columns, "unstruct_event")
    if isinstance(whole, dict):
        whole = whole.get("data")
    for column in [name for name in columns if name.startswith("unstruct_event_")]:
        if match := _SHREDDED.fullmatch(column):
            data = json_in(columns, column)
            schema = _own_schema(columns) or _schema(match, data)
            whole = whole or {"schema": schema, "data": _without_version(data)}
    return whole


def _own_schema(columns: JsonObject) -> str | None:
    parts = [columns.get(f"event_{part}") for part in ("vendor", "name", "format", "version")]
    return f"iglu:{'/'.join(map(str, parts))}" if all(parts) else None


def _schema(column: re.Match[str], data: Any) -> str:
    """The address of the schema that a column is named after."""
    words, version = column["words"], column["version"].replace("_", "-")
    vendor = next((each for each in _VENDORS if words.startswith(re.sub("[.-]", "_", each) + "_")), None)
    if vendor is None:
        first, *rest = words.split("_")
        vendor = f"{first}.{rest[0]}" if len(rest) > 1 else first
    name = words[len(vendor) + 1 :] or words
    stated_version = data.get("_schema_version") if isinstance(data, dict) else None
    return f"iglu:{vendor}/{name}/jsonschema/{stated_version or (version if '-' in version else f'{version}-0-0')}"


def _without_version(data: Any) -> Any:
    return {key: value for key, value in data.items() if key != "_schema_version"} if isinstance(data, dict) else data
