-- What people allowed, and why identifiers were removed.
-- chart: bar consent events identifiers_removed
WITH counts AS (
    SELECT /*by*/ coalesce(consent, 'not asked') AS consent, identifiers_removed, sum(weight) AS events
    FROM counted
    GROUP BY ALL
)
SELECT /*by*/ consent, identifiers_removed, round(events)::BIGINT AS events,
       round(100 * events / sum(events) OVER (PARTITION BY /*by*/ 1), 1) AS percent
FROM counts
ORDER BY /*by*/ counts.events DESC, consent, identifiers_removed
