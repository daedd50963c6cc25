-- Files by how often they were downloaded, and by how many devices; the first hundred.
-- chart: bar file downloads
WITH seen AS (
    SELECT /*by first of (occurred_at, event_id)*/ regexp_replace(props->>'$.href', '[?#].*$', '') AS file, tenant, device_id,
           sum(weight) AS downloads, min(weight) AS weight
    FROM counted
    WHERE name = 'download'
    GROUP BY ALL
)
SELECT /*by*/ file, round(sum(downloads))::BIGINT AS downloads,
       coalesce(round(sum(weight) FILTER (device_id IS NOT NULL)), 0)::BIGINT AS devices
FROM seen
GROUP BY ALL
ORDER BY downloads DESC, /*by*/ file
LIMIT 100
