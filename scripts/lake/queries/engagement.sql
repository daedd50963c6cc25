-- Bounces, views and engaged seconds of sessions, each day. A bounce has one page view, and nothing else that a person did.
-- chart: line day bounce_percent
WITH sessions AS (
    SELECT /*by first of (occurred_at, event_id)*/ tenant, session_id, min(session_started_at)::DATE AS day,
           count(*) FILTER (name = 'page_view') AS views,
           min(weight) FILTER (name = 'page_view') AS weight,
           bool_and(name IN ('page_view', 'page_leave', 'web_vitals', 'scroll', 'pointer')) AS is_passive,
           coalesce(sum(TRY_CAST(props->>'$.engaged_ms' AS BIGINT)) FILTER (name = 'page_leave'), 0) / 1000 AS engaged_s
    FROM counted
    WHERE session_id IS NOT NULL
    GROUP BY ALL
)
SELECT /*by*/ day, round(sum(weight))::BIGINT AS sessions,
       coalesce(round(sum(weight) FILTER (views = 1 AND is_passive)), 0)::BIGINT AS bounces,
       round(100 * coalesce(sum(weight) FILTER (views = 1 AND is_passive), 0) / sum(weight), 1) AS bounce_percent,
       round(sum(weight * views) / sum(weight), 2) AS views_per_session,
       round(sum(weight * engaged_s) / sum(weight), 1) AS engaged_s
FROM sessions
WHERE views > 0
GROUP BY ALL
ORDER BY /*by*/ day
