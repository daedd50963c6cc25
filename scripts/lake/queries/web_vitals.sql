-- How fast pages are for three visits of four (p75): milliseconds, and `cls` without a unit.
-- chart: bar page lcp_ms
WITH measured AS (
    SELECT url_host || url_path AS page, props::JSON AS props FROM events
    WHERE name = 'web_vitals' AND bot IS NULL
    -- What a page tells again when it is hidden again stands for all it told before.
    QUALIFY row_number() OVER (
        PARTITION BY device_id, session_id, url ORDER BY occurred_at DESC, event_id DESC) = 1
)
SELECT page, count(*) AS visits,
       quantile_disc((props->>'$.lcp_ms')::DOUBLE, 0.75) AS lcp_ms,
       quantile_disc((props->>'$.inp_ms')::DOUBLE, 0.75) AS inp_ms,
       quantile_disc((props->>'$.cls')::DOUBLE, 0.75) AS cls,
       quantile_disc((props->>'$.fcp_ms')::DOUBLE, 0.75) AS fcp_ms,
       quantile_disc((props->>'$.ttfb_ms')::DOUBLE, 0.75) AS ttfb_ms
FROM measured
GROUP BY ALL
ORDER BY visits DESC, page
LIMIT 100
