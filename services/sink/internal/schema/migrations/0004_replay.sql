ALTER TABLE {{.Local "cdrs"}} {{.OnCluster}}
    ADD COLUMN IF NOT EXISTS `position` String COMMENT 'Where the ticket begins: byte offset in its origin, or the row key; empty on rows from before there was this column' CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS `message_id` String COMMENT 'Id of the ticket''s message, whose row in receipts tells the place it came from' CODEC(ZSTD(1));

{{if .Cluster}}
ALTER TABLE {{.Name "cdrs"}} {{.OnCluster}}
    ADD COLUMN IF NOT EXISTS `position` String,
    ADD COLUMN IF NOT EXISTS `message_id` String;
{{end}}

ALTER TABLE {{.Local "receipts"}} {{.OnCluster}}
    ADD COLUMN IF NOT EXISTS `preamble` LowCardinality(String) COMMENT 'The head of the file that each of its tickets needs to be read' CODEC(ZSTD(1));

{{if .Cluster}}
ALTER TABLE {{.Name "receipts"}} {{.OnCluster}} ADD COLUMN IF NOT EXISTS `preamble` LowCardinality(String);
{{end}}

CREATE TABLE IF NOT EXISTS {{.Local "audit"}} {{.OnCluster}}
(
    `time` DateTime64(3, 'UTC') COMMENT 'When the act began, UTC',
    `id` String COMMENT 'Id of the act: told at its begin and at its end it is one row',
    `who` String COMMENT 'User and host',
    `what` LowCardinality(String) COMMENT 'replay',
    `object` String COMMENT 'What it was done to',
    `before` String COMMENT 'Counts before, a JSON object',
    `after` String COMMENT 'Counts after, a JSON object; empty when the act was cut',
    `inserted_time` DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'When the row was written, UTC'
)
ENGINE = {{.Replacing ""}}
ORDER BY (time, id)
SETTINGS {{.Durable}}
COMMENT 'Every act that changes what is kept. Read it with FINAL';

{{.Distributed "audit" "cityHash64(id)"}};
