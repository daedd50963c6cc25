-- Names that no schema describes, bots included, and the name with a schema that is most like it.
-- chart: bar name events
WITH unknown AS (
    SELECT tenant, name, sum(weight) AS events, sum(weight) FILTER (bot) AS by_programs,
           min(occurred_at) AS first, max(occurred_at) AS latest
    FROM events
    WHERE schema_version IS NULL
    GROUP BY ALL
), known AS (
    SELECT DISTINCT name FROM delivered WHERE schema_version IS NOT NULL
)
SELECT tenant, name, round(events)::BIGINT AS events, coalesce(round(by_programs), 0)::BIGINT AS by_programs, first, latest,
       (SELECT arg_min(known.name, levenshtein(known.name, unknown.name)) FROM known
        WHERE levenshtein(known.name, unknown.name) <= 2) AS like_known
FROM unknown
ORDER BY unknown.events DESC, tenant, name
