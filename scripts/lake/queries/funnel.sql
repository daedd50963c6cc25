-- Sessions that saw a product, that changed the cart after it, and that ordered after that.
-- chart: bar step sessions
WITH viewed AS (
    SELECT session_id, min(occurred_at) AS at FROM events
    WHERE name = 'product_viewed' AND bot IS NULL GROUP BY ALL
), changed AS (
    SELECT session_id, min(occurred_at) AS at FROM events JOIN viewed USING (session_id)
    WHERE name = 'cart_changed' AND occurred_at >= viewed.at GROUP BY ALL
), ordered AS (
    SELECT session_id, min(occurred_at) AS at FROM events JOIN changed USING (session_id)
    WHERE name = 'order_placed' AND occurred_at >= changed.at GROUP BY ALL
), steps AS (
    SELECT '1 product_viewed' AS step, count(session_id) AS sessions FROM viewed
    UNION ALL SELECT '2 cart_changed', count(session_id) FROM changed
    UNION ALL SELECT '3 order_placed', count(session_id) FROM ordered
)
SELECT step, sessions, round(100 * sessions / nullif(first(sessions) OVER (ORDER BY step), 0), 1) AS percent
FROM steps
ORDER BY step
