-- What failed, by reason, and how much of it came through since (a replay, or the client itself).
-- chart: bar code failed name
SELECT stage, code, name, pointer,
       count(*) AS failed,
       -- It may have occurred before the time that was asked about, or be a program's.
       count(*) FILTER ((tenant, event_id) IN (SELECT (tenant, event_id) FROM delivered)) AS replayed,
       max(received_at) AS latest,
       min(message) AS example
FROM failed
GROUP BY stage, code, name, pointer
ORDER BY failed DESC, stage, code, name, pointer
