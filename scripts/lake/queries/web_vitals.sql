-- How fast pages are for three visits of four (p75): milliseconds, and `cls` without a unit.
-- chart: bar page lcp_ms
WITH measured AS (
    SELECT url_host || url_path AS page, props::JSON AS props, weight FROM counted
    WHERE name = 'web_vitals'
    -- What a page sends when it is hidden again stands for all that it sent before.
    QUALIFY row_number() OVER (
        PARTITION BY tenant, device_id, session_id, url ORDER BY occurred_at DESC, event_id DESC) = 1
), visits AS (
    SELECT page, sum(weight) AS visits FROM measured GROUP BY ALL
), measures AS (
    SELECT page, metric, (props->>metric)::DOUBLE AS value, weight
    FROM measured, (SELECT unnest(['lcp_ms', 'inp_ms', 'cls', 'fcp_ms', 'ttfb_ms']) AS metric)
    WHERE value IS NOT NULL
), ranked AS (
    SELECT page, metric, value, sum(weight) OVER (PARTITION BY page, metric ORDER BY value) AS up_to,
           sum(weight) OVER (PARTITION BY page, metric) AS total
    FROM measures
), p75 AS (
    -- What little the sums are off by does not move the place.
    SELECT page, metric, min(value) AS value FROM ranked WHERE up_to >= 0.75 * total - 1e-9 * total GROUP BY ALL
)
SELECT page, round(any_value(visits))::BIGINT AS visits,
       max(value) FILTER (metric = 'lcp_ms') AS lcp_ms,
       max(value) FILTER (metric = 'inp_ms') AS inp_ms,
       max(value) FILTER (metric = 'cls') AS cls,
       max(value) FILTER (metric = 'fcp_ms') AS fcp_ms,
       max(value) FILTER (metric = 'ttfb_ms') AS ttfb_ms
FROM visits LEFT JOIN p75 USING (page)
GROUP BY page
ORDER BY visits DESC, page
LIMIT 100
