"""The view `identities`: which devices and user ids belong to one person, for DuckDB.

A device and a user id are connected if an event has both, and a cookieless id is connected to that of the day before. An
identity is all that is connected, directly or through others; its name is the first of its devices.
"""

# Labels spread along the connections until each row has the first of all that it can reach. A row is looked at
# again only if its label changed: https://duckdb.org/docs/stable/sql/query_syntax/with#using-key
VIEW = """
WITH RECURSIVE named AS MATERIALIZED (
    SELECT coalesce(tenant, 'default') AS tenant, 'd' || device_id AS device, 'd' || previous_device_id AS before,
           'u' || user_id AS person, min(weight) AS weight
    FROM counted
    WHERE device_id IS NOT NULL OR user_id IS NOT NULL
    GROUP BY ALL
), pairs AS (
    SELECT tenant, device AS one, person AS other FROM named
    UNION SELECT tenant, before, device FROM named
), edges AS MATERIALIZED (
    SELECT tenant, one, other FROM pairs WHERE one IS NOT NULL AND other IS NOT NULL
    UNION SELECT tenant, other, one FROM pairs WHERE one IS NOT NULL AND other IS NOT NULL
), nodes AS MATERIALIZED (
    SELECT tenant, node, min(weight) AS weight
    FROM (SELECT tenant, unnest([device, person]) AS node, weight FROM named)
    WHERE node IS NOT NULL
    GROUP BY ALL
), labels (tenant, node, label) USING KEY (tenant, node) AS (
    SELECT tenant, node, node FROM nodes
    UNION
    SELECT edges.tenant, edges.other, min(labels.label)
    FROM labels
        JOIN edges ON edges.tenant = labels.tenant AND edges.one = labels.node
        JOIN recurring.labels AS known ON known.tenant = edges.tenant AND known.node = edges.other
    WHERE labels.label < known.label
    GROUP BY edges.tenant, edges.other
)
SELECT tenant, label[2:] AS identity, CASE WHEN node LIKE 'd%' THEN node[2:] END AS device_id,
       CASE WHEN node LIKE 'u%' THEN node[2:] END AS user_id, weight
FROM labels JOIN nodes USING (tenant, node)
"""
