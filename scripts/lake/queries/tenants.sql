-- Tenants by events, devices and sessions, and how much of each came from bots or failed.
-- chart: bar tenant events
WITH sessions AS (
    SELECT coalesce(tenant, 'default') AS tenant, device_id, session_id, min(weight) AS weight FROM counted GROUP BY ALL
), devices AS (
    SELECT tenant, device_id, min(weight) AS weight, sum(weight) FILTER (session_id IS NOT NULL) AS sessions FROM sessions GROUP BY ALL
), found AS (
    SELECT coalesce(tenant, 'default') AS tenant, if(bot, 0, weight) AS events, if(bot, weight, 0) AS bots, 0 AS devices, 0 AS sessions,
           0 AS failed, received_at
    FROM events
    UNION ALL SELECT tenant, 0, 0, if(device_id IS NULL, 0, weight), coalesce(sessions, 0), 0, NULL FROM devices
    UNION ALL SELECT coalesce(tenant, 'default'), 0, 0, 0, 0, 1, received_at FROM failed
)
SELECT tenant, round(sum(events))::BIGINT AS events, round(sum(devices))::BIGINT AS devices, round(sum(sessions))::BIGINT AS sessions,
       round(sum(bots))::BIGINT AS bots, sum(failed)::BIGINT AS failed, max(received_at) AS latest
FROM found
GROUP BY ALL
ORDER BY events DESC, tenant
