-- Where sessions came from, by their first event; `direct` tells no other place.
-- chart: bar medium sessions source
WITH firsts AS (
    SELECT referrer_medium, referrer_source FROM events
    WHERE session_id IS NOT NULL AND bot IS NULL
    QUALIFY row_number() OVER (PARTITION BY session_id ORDER BY occurred_at, event_id) = 1
)
SELECT coalesce(referrer_medium, 'direct') AS medium, referrer_source AS source, count(*) AS sessions
FROM firsts
GROUP BY ALL
ORDER BY sessions DESC, medium, source
