-- Where sessions came from, by their first event; `direct` names no other place.
-- chart: bar medium sessions source
WITH firsts AS (
    SELECT /*by first of (occurred_at, event_id)*/ tenant, session_id, min(weight) AS weight,
           arg_min({'medium': referrer_medium, 'source': referrer_source}, (occurred_at, event_id)) AS first
    FROM counted
    WHERE session_id IS NOT NULL
    GROUP BY ALL
)
SELECT /*by*/ coalesce(first.medium, 'direct') AS medium, first.source AS source, round(sum(weight))::BIGINT AS sessions
FROM firsts
GROUP BY ALL
ORDER BY sessions DESC, /*by*/ medium, source
