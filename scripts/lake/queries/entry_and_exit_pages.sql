-- Pages on which sessions began and ended; the first hundred.
-- chart: bar page entries
WITH views AS (
    SELECT /*by*/ tenant, session_id, occurred_at, event_id, weight, url_host || url_path AS page
    FROM counted
    WHERE name = 'page_view' AND url_path IS NOT NULL AND session_id IS NOT NULL
), sessions AS (
    SELECT /*by first of (occurred_at, event_id)*/ tenant, session_id, min(weight) AS weight,
           arg_min(page, (occurred_at, event_id)) AS entry, arg_max(page, (occurred_at, event_id)) AS exit
    FROM views
    GROUP BY ALL
), seen AS (
    SELECT /*by*/ page, 0 AS entries, 0 AS exits, weight AS views FROM views
    UNION ALL SELECT /*by*/ entry, weight, 0, 0 FROM sessions
    UNION ALL SELECT /*by*/ exit, 0, weight, 0 FROM sessions
)
SELECT /*by*/ page, round(sum(entries))::BIGINT AS entries, round(sum(exits))::BIGINT AS exits, round(sum(views))::BIGINT AS views,
       round(100 * sum(exits) / sum(views), 1) AS exit_percent
FROM seen
GROUP BY ALL
ORDER BY entries DESC, exits DESC, /*by*/ page
LIMIT 100
