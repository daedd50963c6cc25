"""Views with the columns that the warehouses of other collectors have, for DuckDB and for Athena.

A query that was written for Segment's `tracks` or Snowplow's `events` needs only another name in its FROM. Each view
has the events that came in the protocol, with the columns that people use most; `props` and `metadata` have the rest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from columns import packed

# A member of `metadata` or `props`, as a text or as JSON.
_MEMBER = re.compile(r"\{(text|json) (\w+)\.([\w.]+)\}")
_DUCKDB = {"text": "json_extract_string({column}, '$.{path}')", "json": "json_extract({column}, '$.{path}')"}
_ATHENA = {
    "text": "json_extract_scalar({column}, '$.{path}')",
    "json": "json_format(json_extract({column}, '$.{path}'))",
}


@dataclass(frozen=True)
class CompatibleView:
    """A view: which events it has, and its columns: `expression AS name`, or a column's own name."""

    condition: str
    columns: tuple[str, ...]

    def duckdb(self) -> str:
        """Its query over scripts/query's `events`, which has each event once."""
        return f"SELECT {_written(', '.join(self.columns), _DUCKDB)}, weight FROM events WHERE {self.condition}"

    def athena(self, name: str, indent: str) -> str:
        """The statement that makes it in Athena, over `events_full`."""
        columns = packed(f"{_written(each, _ATHENA)}," for each in self.columns)
        lines = [f"CREATE OR REPLACE VIEW {name} AS SELECT", *columns, "sample_rate, ${Tenant}${Key}day"]
        lines.append(f"FROM events_full WHERE {self.condition}")
        return "".join(f"{indent}{line}\n" for line in lines)


def _written(expressions: str, dialect: dict[str, str]) -> str:
    return _MEMBER.sub(lambda found: dialect[found[1]].format(column=found[2], path=found[3]), expressions)


# What the rows of Segment's tables have in common.
_SEGMENT = (
    "tenant",
    "coalesce(source_event_id, event_id) AS id",
    "device_id AS anonymous_id",
    "user_id",
    'occurred_at AS "timestamp"',
    "client_time AS original_timestamp",
    "sent_at",
    "received_at",
    "ip AS context_ip",
    "{text metadata.context.library.name} AS context_library_name",
)
# A call without a name of its own has the call's; what it was is then in `source_name`, unless it is the same.
_PAGES = "name = 'page_view' AND source_name = 'page'"
_SCREENS = "name = 'screen_view' AND source_name = 'screen'"
_OTHER_CALLS = "name IN ('identify', 'group', 'alias', 'merge') AND source_name IS NULL"

VIEWS = {
    "segment_tracks": CompatibleView(
        f"protocol = 'segment' AND NOT coalesce({_PAGES} OR {_SCREENS} OR {_OTHER_CALLS}, false)",
        (
            *_SEGMENT,
            "name AS event",
            "coalesce(source_name, name) AS event_text",
            "user_agent AS context_user_agent",
            "language AS context_locale",
            "url AS context_page_url",
            "title AS context_page_title",
            "referrer AS context_page_referrer",
            "props AS properties",
        ),
    ),
    "segment_pages": CompatibleView(
        f"protocol = 'segment' AND {_PAGES}",
        (*_SEGMENT, "{text props.page_name} AS name", "url", "url_path AS path", "title", "referrer", "props AS properties"),
    ),
    "segment_identifies": CompatibleView(
        "protocol = 'segment' AND name = 'identify' AND source_name IS NULL", (*_SEGMENT, "props AS traits")
    ),
    "snowplow_events": CompatibleView(
        "protocol = 'snowplow'",
        (
            "tenant",
            "{text metadata.snowplow.aid} AS app_id",
            "{text metadata.snowplow.p} AS platform",
            "received_at AS collector_tstamp",
            "client_time AS dvce_created_tstamp",
            "sent_at AS dvce_sent_tstamp",
            "occurred_at AS derived_tstamp",
            "CASE WHEN source_name = 'pp' THEN 'page_ping' WHEN source_name IN ('pv', 'tr', 'ti') THEN name WHEN source_name = 'se' THEN 'struct' ELSE 'unstruct' END AS event",
            "event_id",
            "{text metadata.vendor} AS event_vendor",
            "CASE WHEN source_name = 'pp' THEN 'page_ping' ELSE name END AS event_name",
            "{text metadata.schema_version} AS event_version",
            "{text metadata.snowplow.tv} AS v_tracker",
            "user_id",
            "ip AS user_ipaddress",
            "device_id AS domain_userid",
            "{text metadata.network_userid} AS network_userid",
            "client_session_id AS domain_sessionid",
            "TRY_CAST({text metadata.session_index} AS bigint) AS domain_sessionidx",
            "country AS geo_country",
            "city AS geo_city",
            "url AS page_url",
            "url_host AS page_urlhost",
            "url_path AS page_urlpath",
            "title AS page_title",
            "referrer AS page_referrer",
            "referrer_host AS refr_urlhost",
            "referrer_medium AS refr_medium",
            "utm_medium AS mkt_medium",
            "utm_source AS mkt_source",
            "utm_campaign AS mkt_campaign",
            "user_agent AS useragent",
            "{text props.category} AS se_category",
            "{text props.action} AS se_action",
            "{text props.label} AS se_label",
            "{text props.property} AS se_property",
            "TRY_CAST({text props.value} AS double) AS se_value",
            "props AS unstruct_event",
            "{json metadata.contexts} AS contexts",
        ),
    ),
    "posthog_events": CompatibleView(
        "protocol = 'posthog'",
        (
            "tenant",
            "event_id AS uuid",
            "coalesce(source_name, name) AS event",
            "coalesce(user_id, device_id, {text metadata.distinct_id}) AS distinct_id",
            'occurred_at AS "timestamp"',
            "received_at AS created_at",
            "device_id",
            "user_id",
            "client_session_id AS session_id",
            "{text metadata.window_id} AS window_id",
            "url AS current_url",
            "url_host AS host",
            "url_path AS pathname",
            "referrer",
            "referrer_host AS referring_domain",
            "browser",
            "os",
            "device_class AS device_type",
            "country AS geoip_country_code",
            "city AS geoip_city_name",
            "utm_source",
            "utm_medium",
            "utm_campaign",
            "{text metadata.posthog.lib} AS lib",
            "props AS properties",
            "{json metadata.set} AS person_set",
            "{json metadata.groups} AS groups",
        ),
    ),
}
