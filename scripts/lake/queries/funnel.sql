-- Sessions that reached each step, in this order.
-- chart: bar step sessions label:percent
-- steps: product_viewed, cart_changed, order_placed
WITH RECURSIVE named AS (
    SELECT unnest(getvariable('steps')) AS name, generate_subscripts(getvariable('steps'), 1) AS number
), steps AS (
    SELECT tenant, session_id, number, occurred_at, weight FROM counted JOIN named USING (name) WHERE session_id IS NOT NULL
), by_share AS (
    -- A session is looked at once for each share, with what a route of that share or more takes:
    -- it stands for as many as the largest share with which the step is still reached.
    SELECT steps.*, shares.weight AS share
    FROM steps JOIN (SELECT DISTINCT tenant, session_id, weight FROM steps) AS shares
        ON shares.session_id = steps.session_id AND shares.tenant IS NOT DISTINCT FROM steps.tenant
            AND steps.weight <= shares.weight
), reached AS (
    SELECT tenant, session_id, share, number, min(occurred_at) AS moment FROM by_share WHERE number = 1 GROUP BY ALL
    UNION ALL
    SELECT reached.tenant, reached.session_id, reached.share, by_share.number, min(occurred_at)
    FROM reached JOIN by_share
        ON by_share.session_id = reached.session_id AND by_share.tenant IS NOT DISTINCT FROM reached.tenant
            AND by_share.share = reached.share AND by_share.number = reached.number + 1 AND occurred_at >= moment
    GROUP BY ALL
), sessions AS (
    SELECT /*by first of (occurred_at, event_id)*/ tenant, session_id FROM counted WHERE session_id IS NOT NULL GROUP BY ALL
), furthest AS (
    SELECT tenant, session_id, number, min(share) AS weight FROM reached GROUP BY ALL
), seen AS (
    SELECT sessions.*, number, weight
    FROM furthest JOIN sessions
        ON sessions.session_id = furthest.session_id AND sessions.tenant IS NOT DISTINCT FROM furthest.tenant
), counts AS (
    SELECT /*by*/ number, weight FROM seen
    UNION ALL SELECT DISTINCT /*by*/ named.number, 0 FROM named LEFT JOIN seen ON true
), total AS (
    SELECT /*by*/ number, sum(weight) AS sessions FROM counts GROUP BY ALL
)
SELECT /*by*/ number || ' ' || name AS step, round(sessions)::BIGINT AS sessions,
       round(100 * sessions / nullif(first(sessions) OVER (PARTITION BY /*by*/ 1 ORDER BY number), 0), 1) AS percent,
       round(100 * sessions / nullif(lag(sessions) OVER (PARTITION BY /*by*/ 1 ORDER BY number), 0), 1) AS percent_of_previous
FROM total JOIN named USING (number)
ORDER BY /*by*/ number
