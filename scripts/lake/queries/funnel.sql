-- Sessions that saw a product, that changed the cart after it, and that ordered after that.
-- chart: bar step sessions
WITH steps AS (
    SELECT tenant, session_id, name, occurred_at, weight FROM counted
    WHERE name IN ('product_viewed', 'cart_changed', 'order_placed') AND session_id IS NOT NULL
), by_share AS (
    -- A session is looked at once for each share, with what a route of that share or more takes:
    -- it stands for as many as the largest share with which the step is still reached.
    SELECT steps.*, shares.weight AS share
    FROM steps JOIN (SELECT DISTINCT tenant, session_id, weight FROM steps) AS shares
        ON shares.session_id = steps.session_id AND shares.tenant IS NOT DISTINCT FROM steps.tenant
            AND steps.weight <= shares.weight
), viewed AS (
    SELECT tenant, session_id, share, min(occurred_at) AS moment FROM by_share
    WHERE name = 'product_viewed' GROUP BY ALL
), changed AS (
    SELECT viewed.tenant, session_id, share, min(occurred_at) AS moment FROM by_share JOIN viewed USING (session_id, share)
    WHERE name = 'cart_changed' AND occurred_at >= moment AND by_share.tenant IS NOT DISTINCT FROM viewed.tenant GROUP BY ALL
), ordered AS (
    SELECT changed.tenant, session_id, share, min(occurred_at) AS moment FROM by_share JOIN changed USING (session_id, share)
    WHERE name = 'order_placed' AND occurred_at >= moment AND by_share.tenant IS NOT DISTINCT FROM changed.tenant GROUP BY ALL
), reached AS (
    SELECT '1 product_viewed' AS step, min(share) AS weight FROM viewed GROUP BY tenant, session_id
    UNION ALL SELECT '2 cart_changed', min(share) FROM changed GROUP BY tenant, session_id
    UNION ALL SELECT '3 order_placed', min(share) FROM ordered GROUP BY tenant, session_id
), counts AS (
    SELECT step, coalesce(sum(weight), 0) AS sessions
    FROM (VALUES ('1 product_viewed'), ('2 cart_changed'), ('3 order_placed')) AS all_steps (step) LEFT JOIN reached USING (step)
    GROUP BY step
)
SELECT step, round(sessions)::BIGINT AS sessions,
       round(100 * sessions / nullif(first(sessions) OVER (ORDER BY step), 0), 1) AS percent
FROM counts
ORDER BY step
