-- Sessions of new devices, and of those that came back, each day.
-- chart: bar day sessions kind
WITH sessions AS (
    SELECT /*by first of (occurred_at, event_id)*/ tenant, session_id, min(session_started_at)::DATE AS day, min(weight) AS weight,
           if(min(session_index) = 1, 'new', 'returning') AS kind
    FROM counted
    WHERE session_id IS NOT NULL AND session_index IS NOT NULL
    GROUP BY ALL
), counts AS (
    SELECT /*by*/ day, kind, sum(weight) AS sessions FROM sessions GROUP BY ALL
)
SELECT /*by*/ day, kind, round(sessions)::BIGINT AS sessions,
       round(100 * sessions / sum(sessions) OVER (PARTITION BY /*by*/ day), 1) AS percent
FROM counts
ORDER BY /*by*/ day, kind
