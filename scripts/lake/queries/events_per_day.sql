-- Events of each day by name.
-- chart: bar day events name
SELECT /*by*/ occurred_at::DATE AS day, name, round(sum(weight))::BIGINT AS events
FROM counted
GROUP BY ALL
ORDER BY /*by*/ day, events DESC, name
