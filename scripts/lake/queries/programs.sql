-- Bots among the visitors, by kind and name; of networks those that were seen.
-- chart: bar kind events
SELECT bot_reason AS kind, bot_name AS name, round(sum(weight))::BIGINT AS events, count(DISTINCT ip) AS networks
FROM events
WHERE bot
GROUP BY ALL
ORDER BY events DESC, kind, name
