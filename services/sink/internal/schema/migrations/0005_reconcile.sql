ALTER TABLE {{.Local "receipts"}} {{.OnCluster}}
    ADD COLUMN IF NOT EXISTS `ticket_ids` Array(FixedString(16)) COMMENT 'Ids of the tickets of this part, 128 bits each: lower(hex(id)) is a ticket_id. Empty on rows from before there was this column' CODEC(NONE);

{{if .Cluster}}
ALTER TABLE {{.Name "receipts"}} {{.OnCluster}} ADD COLUMN IF NOT EXISTS `ticket_ids` Array(FixedString(16));
{{end}}

ALTER TABLE {{.Local "audit"}} {{.OnCluster}}
    ADD COLUMN IF NOT EXISTS `site` LowCardinality(String) COMMENT 'Site id; empty: an act about all of them',
    ADD COLUMN IF NOT EXISTS `link` LowCardinality(String) COMMENT 'Link id; empty: an act about all of a site',
    MODIFY COLUMN `what` LowCardinality(String) COMMENT 'replay, reload, import, collected and removed (a source file), purge (of a stream)';

{{if .Cluster}}
ALTER TABLE {{.Name "audit"}} {{.OnCluster}}
    ADD COLUMN IF NOT EXISTS `site` LowCardinality(String),
    ADD COLUMN IF NOT EXISTS `link` LowCardinality(String);
{{end}}

CREATE VIEW IF NOT EXISTS {{.Name "collected_files"}} {{.OnCluster}}
(
    `site` LowCardinality(String) COMMENT 'Site id',
    `link` LowCardinality(String) COMMENT 'Link id: the PBX within its site',
    `name` String COMMENT 'File name, as the PBX gave it',
    `size` UInt64 COMMENT 'Bytes; of a log that grows, collected so far',
    `sha256` String COMMENT 'SHA-256 of the file, hex; empty for a log that grows',
    `origin` String COMMENT 'The origin under which its tickets stand in receipts',
    `tickets` UInt64 COMMENT 'Tickets collected from it',
    `written` DateTime64(3, 'UTC') COMMENT 'Modification time of the file, UTC',
    `collected` DateTime64(3, 'UTC') COMMENT 'When its last ticket was acknowledged, UTC; of a log that grows, when it was told last',
    `removed` DateTime64(3, 'UTC') COMMENT 'When it was cleared away as `after:` says, UTC; 1970-01-01 00:00:00 while it is where it was',
    `removal` LowCardinality(String) COMMENT 'What was done then: deleted, moved or renamed; empty: nothing'
)
AS SELECT
    site, link,
    argMax(JSONExtractString(after, 'name'), (what = 'collected', time)) AS name,
    max(JSONExtractUInt(after, 'size')) AS size,
    JSONExtractString(after, 'sha256') AS sha256,
    JSONExtractString(after, 'origin') AS origin,
    max(JSONExtractUInt(after, 'tickets')) AS tickets,
    fromUnixTimestamp64Milli(max(JSONExtractInt(after, 'written_ms')), 'UTC') AS written,
    if(JSONExtractString(after, 'sha256') = '', maxIf(time, what = 'collected'), minIf(time, what = 'collected')) AS collected,
    maxIf(time, what = 'removed') AS removed,
    argMaxIf(JSONExtractString(after, 'removal'), time, what = 'removed') AS removal
FROM {{.Name "audit"}} FINAL
WHERE what IN ('collected', 'removed')
GROUP BY site, link, sha256, origin;
