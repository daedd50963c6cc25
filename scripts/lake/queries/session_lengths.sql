-- Seconds from a session's first event to its last, each day: the mean, the median, and the longest of three sessions of four.
-- chart: line day median_s
WITH sessions AS (
    SELECT /*by first of (occurred_at, event_id)*/ tenant, session_id, min(session_started_at)::DATE AS day, min(weight) AS weight,
           date_diff('millisecond', min(occurred_at), max(occurred_at)) / 1000 AS seconds
    FROM counted
    WHERE session_id IS NOT NULL
    GROUP BY ALL
), ranked AS (
    SELECT *, sum(weight) OVER (PARTITION BY /*by*/ day ORDER BY seconds) AS up_to, sum(weight) OVER (PARTITION BY /*by*/ day) AS total
    FROM sessions
)
SELECT /*by*/ day, round(sum(weight))::BIGINT AS sessions, round(sum(weight * seconds) / sum(weight), 1) AS mean_s,
       -- What little the sums are off by does not move the place.
       min(seconds) FILTER (up_to >= 0.5 * total - 1e-9 * total) AS median_s,
       min(seconds) FILTER (up_to >= 0.75 * total - 1e-9 * total) AS p75_s
FROM ranked
GROUP BY ALL
ORDER BY /*by*/ day
