ALTER TABLE {{.Local "cdrs"}} {{.OnCluster}} ADD INDEX IF NOT EXISTS received_time received_time TYPE minmax GRANULARITY 1;
