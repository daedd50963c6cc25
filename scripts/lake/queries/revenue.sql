-- Orders and revenue by campaign: by the first that brought the device, and by the last before the order.
-- chart: bar campaign last_revenue currency
WITH touches AS (
    SELECT coalesce(tenant, 'default') AS tenant, device_id, occurred_at,
           arg_max({'campaign': utm_campaign, 'source': utm_source, 'medium': utm_medium, 'weight': weight}, event_id) AS touch
    FROM counted
    WHERE utm_campaign IS NOT NULL AND device_id IS NOT NULL
    GROUP BY ALL
), firsts AS (
    SELECT tenant, device_id, min(occurred_at) AS moment, arg_min(touch, occurred_at) AS first_touch FROM touches GROUP BY ALL
), orders AS (
    SELECT /*by*/ coalesce(tenant, 'default') AS tenant, device_id, occurred_at, weight, (props->>'$.currency') AS currency,
           coalesce(TRY_CAST(props->>'$.total' AS DECIMAL(18, 4)), 0) AS total
    FROM counted
    WHERE name = 'order_placed'
), lasts AS (
    SELECT orders.*, touch AS last_touch
    FROM orders ASOF LEFT JOIN touches
        ON touches.tenant = orders.tenant AND touches.device_id = orders.device_id AND touches.occurred_at <= orders.occurred_at
), both_touches AS (
    SELECT lasts.*, first_touch
    FROM lasts LEFT JOIN firsts
        ON firsts.tenant = lasts.tenant AND firsts.device_id = lasts.device_id AND moment <= occurred_at
), by_touch AS (
    -- Touch and order were seen only of devices that both routes take: those of the smaller share.
    SELECT /*by*/ first_touch AS touch, currency, total, greatest(weight, coalesce(first_touch.weight, 0)) AS weight, 1 AS first
    FROM both_touches
    UNION ALL
    SELECT /*by*/ last_touch, currency, total, greatest(weight, coalesce(last_touch.weight, 0)), 0 FROM both_touches
)
SELECT /*by*/ coalesce(touch.campaign, '(none)') AS campaign, touch.source AS source, touch.medium AS medium, currency,
       coalesce(round(sum(weight) FILTER (first = 1)), 0)::BIGINT AS first_orders,
       coalesce(round(sum(weight * total) FILTER (first = 1), 2), 0) AS first_revenue,
       coalesce(round(sum(weight) FILTER (first = 0)), 0)::BIGINT AS last_orders,
       coalesce(round(sum(weight * total) FILTER (first = 0), 2), 0) AS last_revenue
FROM by_touch
GROUP BY ALL
ORDER BY /*by*/ last_revenue DESC, first_revenue DESC, campaign, source, medium, currency
