-- Pages by how often they were seen, and by how many devices; the first hundred.
-- chart: bar page views
WITH seen AS (
    SELECT /*by first of (occurred_at, event_id)*/ url_host || url_path AS page, tenant, device_id, sum(weight) AS views, min(weight) AS weight
    FROM counted
    WHERE name = 'page_view' AND url_path IS NOT NULL
    GROUP BY ALL
)
SELECT /*by*/ page, round(sum(views))::BIGINT AS views,
       coalesce(round(sum(weight) FILTER (device_id IS NOT NULL)), 0)::BIGINT AS devices
FROM seen
GROUP BY ALL
ORDER BY views DESC, /*by*/ page
LIMIT 100
