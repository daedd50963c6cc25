-- Devices by class, system and browser, with their sessions; the first hundred.
-- chart: bar browser devices device_class
WITH sessions AS (
    SELECT /*by first of (occurred_at, event_id)*/ tenant, device_id, session_id, min(weight) AS weight,
           arg_min({'device_class': device_class, 'os': os, 'browser': browser}, (occurred_at, event_id)) AS kind
    FROM counted
    WHERE device_id IS NOT NULL
    GROUP BY ALL
), devices AS (
    SELECT /*by*/ tenant, device_id, kind, min(weight) AS weight, sum(weight) FILTER (session_id IS NOT NULL) AS sessions
    FROM sessions
    GROUP BY ALL
)
SELECT /*by*/ kind.device_class AS device_class, kind.os AS os, kind.browser AS browser,
       round(sum(weight))::BIGINT AS devices, coalesce(round(sum(sessions)), 0)::BIGINT AS sessions
FROM devices
GROUP BY ALL
ORDER BY devices DESC, sessions DESC, /*by*/ device_class, os, browser
LIMIT 100
