-- Sessions, devices and events of each day.
-- chart: line day sessions
WITH sessions AS (
    SELECT /*by first of (occurred_at, event_id)*/ tenant, device_id, session_id, min(session_started_at)::DATE AS day,
           min(weight) AS weight, sum(weight) AS events
    FROM counted
    WHERE session_id IS NOT NULL
    GROUP BY ALL
), devices AS (
    SELECT /*by*/ day, tenant, device_id, min(weight) AS weight, sum(weight) AS sessions, sum(events) AS events
    FROM sessions
    GROUP BY ALL
)
SELECT /*by*/ day,
       round(sum(sessions))::BIGINT AS sessions,
       coalesce(round(sum(weight) FILTER (device_id IS NOT NULL)), 0)::BIGINT AS devices,
       round(sum(events))::BIGINT AS events
FROM devices
GROUP BY ALL
ORDER BY /*by*/ day
