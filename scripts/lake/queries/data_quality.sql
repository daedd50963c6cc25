-- Repairs, versions of schemas, names without a schema, and the delay from occurred_at to received_at, bots included.
-- chart: bar what events finding
WITH delays AS (
    SELECT date_diff('millisecond', occurred_at, received_at) / 1000 AS seconds, weight FROM events
), found AS (
    SELECT '1 delay' AS finding, CASE
               WHEN seconds < 0 THEN '0 a clock ahead'
               WHEN seconds <= 1 THEN '1 up to 1 s'
               WHEN seconds <= 10 THEN '2 up to 10 s'
               WHEN seconds <= 60 THEN '3 up to 1 min'
               WHEN seconds <= 3600 THEN '4 up to 1 h'
               WHEN seconds <= 86400 THEN '5 up to 1 day'
               WHEN seconds > 86400 THEN '6 more than 1 day'
               ELSE '7 unknown'
           END AS what, weight
    FROM delays
    UNION ALL SELECT '2 clock', if(clock_skew_ms IS NULL, 'as sent', 'corrected'), weight FROM events
    UNION ALL SELECT '3 repair', unnest(list_distinct(json_extract_string(repairs, '$[*].rule'))), weight FROM events
    UNION ALL SELECT '4 schema', coalesce(name || ' ' || schema_version, 'none: ' || name), weight FROM events
), counts AS (
    SELECT finding, what, sum(weight) AS events FROM found GROUP BY ALL
)
SELECT finding, what, round(events)::BIGINT AS events, round(100 * events / (SELECT sum(weight) FROM events), 1) AS percent
FROM counts
ORDER BY finding, if(finding = '1 delay', what, NULL), counts.events DESC, what
