-- Videos by the sessions that played them, how far these came, and how many watched to the end; the first hundred.
-- chart: bar video completed_percent
WITH plays AS (
    SELECT /*by first of (occurred_at, event_id)*/ (props->>'$.video_id') AS video, tenant, coalesce(session_id, device_id, event_id) AS session,
           min(weight) AS weight,
           -- The snippet's last mark is at 95 per cent.
           greatest(coalesce(max(TRY_CAST(props->>'$.percent' AS DOUBLE)) FILTER (name = 'video_progress'), 0),
                    if(bool_or(coalesce(name = 'video_pause' AND (props->>'$.ended') = 'true', false)), 100, 0)) AS percent,
           max(TRY_CAST(props->>'$.watched_s' AS DOUBLE)) AS watched_s
    FROM counted
    WHERE name IN ('video_start', 'video_progress', 'video_pause') AND (props->>'$.video_id') IS NOT NULL
    GROUP BY ALL
)
SELECT /*by*/ video, round(sum(weight))::BIGINT AS plays,
       coalesce(round(sum(weight) FILTER (percent >= 25)), 0)::BIGINT AS reached_25,
       coalesce(round(sum(weight) FILTER (percent >= 50)), 0)::BIGINT AS reached_50,
       coalesce(round(sum(weight) FILTER (percent >= 75)), 0)::BIGINT AS reached_75,
       coalesce(round(sum(weight) FILTER (percent >= 95)), 0)::BIGINT AS completed,
       round(100 * coalesce(sum(weight) FILTER (percent >= 95), 0) / sum(weight), 1) AS completed_percent,
       round(sum(weight * watched_s) / sum(weight) FILTER (watched_s IS NOT NULL), 1) AS watched_s
FROM plays
GROUP BY ALL
ORDER BY plays DESC, /*by*/ video
LIMIT 100
