-- Sessions, devices and events of each day, programs left out.
-- chart: line day sessions
SELECT session_started_at::DATE AS day,
       count(DISTINCT (device_id, session_id)) AS sessions,
       count(DISTINCT device_id) AS devices,
       count(*) AS events
FROM events
WHERE session_id IS NOT NULL AND bot IS NULL
GROUP BY ALL
ORDER BY day
