-- Campaigns by the sessions that they brought, and by how many of these ordered.
-- chart: bar campaign sessions source
WITH arrivals AS (
    SELECT /*by first of (occurred_at, event_id)*/ tenant, session_id, min(weight) AS weight,
           arg_min({'campaign': utm_campaign, 'source': utm_source, 'medium': utm_medium}, (occurred_at, event_id)) AS first
    FROM counted
    WHERE utm_campaign IS NOT NULL AND session_id IS NOT NULL
    GROUP BY ALL
), orders AS (
    SELECT tenant AS its_tenant, session_id, min(weight) AS weight FROM counted WHERE name = 'order_placed' GROUP BY ALL
)
SELECT /*by*/ first.campaign AS campaign, first.source AS source, first.medium AS medium,
       round(sum(arrivals.weight))::BIGINT AS sessions,
       -- Both were seen only of devices that both routes take: those of the smaller share.
       coalesce(round(sum(greatest(arrivals.weight, orders.weight)) FILTER (orders.session_id IS NOT NULL)), 0)::BIGINT AS with_order
FROM arrivals LEFT JOIN orders
    ON orders.session_id = arrivals.session_id AND its_tenant IS NOT DISTINCT FROM tenant
GROUP BY ALL
ORDER BY sessions DESC, /*by*/ campaign, source, medium
