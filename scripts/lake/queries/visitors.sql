-- Devices, sessions and events, by country or another column; the first hundred.
-- chart: bar country devices
-- by: country
WITH sessions AS (
    SELECT /*by first of (occurred_at, event_id)*/ tenant, device_id, session_id, min(weight) AS weight, sum(weight) AS events
    FROM counted
    GROUP BY ALL
), devices AS (
    SELECT /*by*/ tenant, device_id, min(weight) AS weight, sum(events) AS events,
           sum(weight) FILTER (session_id IS NOT NULL) AS sessions
    FROM sessions
    GROUP BY ALL
)
SELECT /*by*/ coalesce(round(sum(weight) FILTER (device_id IS NOT NULL)), 0)::BIGINT AS devices,
       coalesce(round(sum(sessions)), 0)::BIGINT AS sessions, round(sum(events))::BIGINT AS events
FROM devices
GROUP BY ALL
ORDER BY devices DESC, sessions DESC, /*by*/ events DESC
LIMIT 100
