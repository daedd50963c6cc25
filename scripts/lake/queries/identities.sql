-- People, as their devices and user ids connect them: how many have so many users and devices.
-- chart: bar devices identities users
WITH people AS (
    SELECT tenant, identity, count(user_id) AS users, count(device_id) AS devices, min(weight) AS weight
    FROM identities
    GROUP BY ALL
)
SELECT users, devices, round(sum(weight))::BIGINT AS identities
FROM people
GROUP BY ALL
ORDER BY identities DESC, users, devices
