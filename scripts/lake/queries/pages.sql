-- Pages by how often they were seen, and by how many devices; the first hundred.
-- chart: bar page views
SELECT url_host || url_path AS page, count(*) AS views, count(DISTINCT device_id) AS devices
FROM events
WHERE name = 'page_view' AND bot IS NULL AND url_path IS NOT NULL
GROUP BY ALL
ORDER BY views DESC, page
LIMIT 100
