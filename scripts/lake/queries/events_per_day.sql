-- Events of each day by name.
-- chart: bar day events name
SELECT occurred_at::DATE AS day, name, count(*) AS events
FROM events
GROUP BY ALL
ORDER BY day, events DESC, name
