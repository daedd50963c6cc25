-- Devices that came back: by the week of their first event, the share that came in each week after it.
-- chart: line week percent cohort
WITH weeks AS (
    SELECT tenant, device_id, date_trunc('week', occurred_at)::DATE AS monday, min(weight) AS weight
    FROM counted
    WHERE device_id IS NOT NULL
    GROUP BY ALL
), firsts AS (
    SELECT /*by first of (occurred_at, event_id)*/ tenant, device_id, date_trunc('week', min(occurred_at))::DATE AS cohort
    FROM counted
    WHERE device_id IS NOT NULL
    GROUP BY ALL
), cohorts AS (
    SELECT /*by*/ cohort, unnest(range(0, ((SELECT max(monday) FROM weeks) - cohort) // 7 + 1)) AS week
    FROM (SELECT DISTINCT /*by*/ cohort FROM firsts)
), seen AS (
    SELECT firsts.*, (monday - cohort) // 7 AS week, weight,
           first_value(weight) OVER (PARTITION BY firsts.tenant, firsts.device_id ORDER BY monday) AS first_weight
    FROM firsts JOIN weeks ON weeks.device_id = firsts.device_id AND weeks.tenant IS NOT DISTINCT FROM firsts.tenant
), counts AS (
    -- Both weeks were seen only of devices that both routes take: those of the smaller share.
    SELECT /*by*/ cohort, week, sum(greatest(weight, first_weight)) AS devices FROM seen GROUP BY ALL
    UNION ALL SELECT /*by*/ cohort, week, 0 FROM cohorts
), total AS (
    SELECT /*by*/ cohort, week, sum(devices) AS devices FROM counts GROUP BY ALL
)
SELECT /*by*/ cohort, week, round(devices)::BIGINT AS devices,
       round(100 * devices / first(devices) OVER (PARTITION BY /*by*/ cohort ORDER BY week), 1) AS percent
FROM total
ORDER BY /*by*/ cohort, week
