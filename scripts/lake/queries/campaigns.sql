-- Campaigns by the sessions that they brought, and by how many of these ordered.
-- chart: bar campaign sessions source
WITH arrivals AS (
    SELECT session_id, utm_campaign AS campaign, utm_source AS source, utm_medium AS medium
    FROM events
    WHERE utm_campaign IS NOT NULL AND session_id IS NOT NULL AND bot IS NULL
    QUALIFY row_number() OVER (PARTITION BY session_id ORDER BY occurred_at, event_id) = 1
), orders AS (
    SELECT DISTINCT session_id FROM events WHERE name = 'order_placed'
)
SELECT campaign, source, medium, count(*) AS sessions,
       count(*) FILTER (session_id IN (SELECT session_id FROM orders)) AS with_order
FROM arrivals
GROUP BY ALL
ORDER BY sessions DESC, campaign, source, medium
