-- Page views, events, sessions and devices of each hour, in UTC.
-- chart: bar hour events
WITH sessions AS (
    SELECT /*by first of (occurred_at, event_id)*/ date_trunc('hour', occurred_at) AS hour, tenant, device_id, session_id,
           min(weight) AS weight, sum(weight) AS events, coalesce(sum(weight) FILTER (name = 'page_view'), 0) AS views
    FROM counted
    GROUP BY ALL
), devices AS (
    SELECT /*by*/ hour, tenant, device_id, min(weight) AS weight, sum(events) AS events, sum(views) AS views,
           sum(weight) FILTER (session_id IS NOT NULL) AS sessions
    FROM sessions
    GROUP BY ALL
)
SELECT /*by*/ hour, round(sum(views))::BIGINT AS views, round(sum(events))::BIGINT AS events,
       coalesce(round(sum(sessions)), 0)::BIGINT AS sessions,
       coalesce(round(sum(weight) FILTER (device_id IS NOT NULL)), 0)::BIGINT AS devices
FROM devices
GROUP BY ALL
ORDER BY /*by*/ hour
