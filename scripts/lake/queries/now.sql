-- Page views, events and devices of each of the last 30 minutes, in UTC.
-- chart: bar minute events
-- last: 30m
WITH minutes AS (
    SELECT unnest(generate_series(date_trunc('minute', getvariable('since')), getvariable('until') - INTERVAL 1 MICROSECOND, INTERVAL 1 MINUTE)) AS minute
), devices AS (
    SELECT date_trunc('minute', occurred_at) AS minute, tenant, device_id, min(weight) AS weight, sum(weight) AS events,
           coalesce(sum(weight) FILTER (name = 'page_view'), 0) AS views
    FROM counted
    GROUP BY ALL
)
SELECT minute, coalesce(round(sum(views)), 0)::BIGINT AS views, coalesce(round(sum(events)), 0)::BIGINT AS events,
       coalesce(round(sum(weight) FILTER (device_id IS NOT NULL)), 0)::BIGINT AS devices
FROM minutes LEFT JOIN devices USING (minute)
GROUP BY ALL
ORDER BY minute
