-- Web Vitals: p75, and the share of visits that is good or poor by the thresholds of Google.
-- chart: bar country good_percent metric
-- by: country
WITH thresholds AS (
    -- https://web.dev/articles/vitals, https://web.dev/articles/fcp, https://web.dev/articles/ttfb
    FROM (VALUES ('lcp_ms', 2500, 4000), ('inp_ms', 200, 500), ('cls', 0.1, 0.25), ('fcp_ms', 1800, 3000), ('ttfb_ms', 800, 1800))
        AS of_google (metric, good, poor)
), measured AS (
    SELECT /*by*/ props, weight FROM counted
    WHERE name = 'web_vitals'
    -- What a page sends when it is hidden again stands for all that it sent before.
    QUALIFY row_number() OVER (
        PARTITION BY tenant, device_id, session_id, url ORDER BY occurred_at DESC, event_id DESC) = 1
), measures AS (
    SELECT /*by*/ metric, good, poor, TRY_CAST(props->>metric AS DOUBLE) AS value, weight
    FROM measured, thresholds
    WHERE value IS NOT NULL
), ranked AS (
    SELECT *, sum(weight) OVER (PARTITION BY /*by*/ metric ORDER BY value) AS up_to,
           sum(weight) OVER (PARTITION BY /*by*/ metric) AS total
    FROM measures
)
SELECT /*by*/ metric, round(sum(weight))::BIGINT AS visits,
       -- What little the sums are off by does not move the place.
       min(value) FILTER (up_to >= 0.75 * total - 1e-9 * total) AS p75,
       round(100 * coalesce(sum(weight) FILTER (value <= good), 0) / sum(weight), 1) AS good_percent,
       round(100 * coalesce(sum(weight) FILTER (value > poor), 0) / sum(weight), 1) AS poor_percent
FROM ranked
GROUP BY ALL
ORDER BY /*by*/ visits DESC, metric
