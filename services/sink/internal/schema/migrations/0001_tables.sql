CREATE TABLE IF NOT EXISTS {{.Local "cdrs"}} {{.OnCluster}}
(
    `ticket_id` String COMMENT 'Identity of the ticket, 128 bits in hex: the same ticket has the same id however often it is read' CODEC(ZSTD(1)),
    `site` LowCardinality(String) COMMENT 'Site id',
    `link` LowCardinality(String) COMMENT 'Link id: the PBX within its site',
    `model` LowCardinality(String) COMMENT 'Id of the PBX model in the catalogue',
    `received_time` DateTime64(6, 'UTC') COMMENT 'When the first byte of the ticket''s message was received, UTC' CODEC(Delta(8), ZSTD(1)),
    `parsed_time` DateTime64(6, 'UTC') COMMENT 'When the ticket was parsed, UTC' CODEC(Delta(8), ZSTD(1)),
    `parser_version` LowCardinality(String) COMMENT 'Version of the parser that made this row',
    `revision` UInt32 COMMENT '0 is live, each replay draws the next number, the higher one wins' CODEC(T64, ZSTD(1)),
    `call_key` String COMMENT 'Joins the tickets of one call within a site; the ticket id where the PBX tells no call id' CODEC(ZSTD(1)),
    `record_role` LowCardinality(String) COMMENT 'CALL the whole call, LEG a part of one, COPY repeats what another ticket reports: sums use CALL and LEG',
    `direction` LowCardinality(String) COMMENT 'INBOUND, OUTBOUND, INTERNAL, TRANSIT as seen from the site; empty when not told',
    `network` LowCardinality(String) COMMENT 'Where the outside party is: PUBLIC, or PRIVATE for tie lines and other nodes; empty when not told',
    `disposition` LowCardinality(String) COMMENT 'ANSWERED, NO_ANSWER, BUSY, FAILED, REJECTED, VOICEMAIL, ABANDONED, ELSEWHERE, AUTO; empty when not told',
    `start_time` DateTime64(3, 'UTC') COMMENT 'When the call began to ring or be dialled, UTC' CODEC(Delta(8), ZSTD(1)),
    `end_time` DateTime64(3, 'UTC') COMMENT 'When the call ended, UTC; 1970-01-01 when the ticket does not tell' CODEC(Delta(8), ZSTD(1)),
    `time_precision_seconds` UInt32 COMMENT 'What the ticket''s clock resolves, seconds: 1 or 60' CODEC(T64, ZSTD(1)),
    `ring_seconds` UInt32 COMMENT 'From start to the answer or to giving up, waiting in a queue included, seconds' CODEC(T64, ZSTD(1)),
    `talk_seconds` UInt32 COMMENT 'From answer to hang-up, holds included, seconds; 0 if not answered' CODEC(T64, ZSTD(1)),
    `line_seconds` UInt32 COMMENT 'How long the outside line was held, seconds, where that is told apart from talk' CODEC(T64, ZSTD(1)),
    `hold_seconds` UInt32 COMMENT 'On hold, seconds, where the ticket tells' CODEC(T64, ZSTD(1)),
    `queue_seconds` UInt32 COMMENT 'Waiting in a queue, seconds, where the ticket tells' CODEC(T64, ZSTD(1)),
    `utc_offset_seconds` Int32 COMMENT 'What the site''s clock showed at start_time minus UTC, seconds' CODEC(T64, ZSTD(1)),
    `calling_number` String COMMENT 'The end that called, as the PBX reports it' CODEC(ZSTD(1)),
    `calling_name` String COMMENT 'Its name' CODEC(ZSTD(1)),
    `called_number` String COMMENT 'The end that was called: the extension reached, or the digits sent to the network, else as dialled' CODEC(ZSTD(1)),
    `called_name` String COMMENT 'Its name' CODEC(ZSTD(1)),
    `dialed_number` String COMMENT 'Keys the caller pressed' CODEC(ZSTD(1)),
    `did` String COMMENT 'The number of the site''s own that an outside caller dialled' CODEC(ZSTD(1)),
    `extension` String COMMENT 'The site''s own party: the set or user who answered, rang or dialled' CODEC(ZSTD(1)),
    `extension_name` String COMMENT 'Its name' CODEC(ZSTD(1)),
    `group_number` String COMMENT 'Hunt, ring, queue or attendant group passed' CODEC(ZSTD(1)),
    `group_name` String COMMENT 'Its name' CODEC(ZSTD(1)),
    `external_number` String COMMENT 'The outside party: visible digits, ? for each hidden one; empty for internal calls' CODEC(ZSTD(1)),
    `external_e164` String COMMENT 'The outside party as + and country code, where decidable' CODEC(ZSTD(1)),
    `masked` Bool COMMENT 'Whether the PBX hid digits',
    `trunk` String COMMENT 'Line or channel' CODEC(ZSTD(1)),
    `trunk_group` String COMMENT 'Group or device of the line' CODEC(ZSTD(1)),
    `trunk_out` String COMMENT 'For TRANSIT, the departing line' CODEC(ZSTD(1)),
    `account_code` String COMMENT 'Client or project code, never a PIN' CODEC(ZSTD(1)),
    `charged_to` String COMMENT 'Who pays, when told and not the extension' CODEC(ZSTD(1)),
    `charge_class` LowCardinality(String) COMMENT 'BUSINESS, PRIVATE, GUEST, BOOTH; empty when not told',
    `cost_center` String COMMENT 'As the ticket tells' CODEC(ZSTD(1)),
    `department` String COMMENT 'As the ticket tells' CODEC(ZSTD(1)),
    `subsidiary` String COMMENT 'As the ticket tells' CODEC(ZSTD(1)),
    `node` String COMMENT 'PBX, node or tenant inside the network' CODEC(ZSTD(1)),
    `call_id` String COMMENT 'The vendor''s call id as printed' CODEC(ZSTD(1)),
    `leg_id` String COMMENT 'The vendor''s leg id as printed' CODEC(ZSTD(1)),
    `more_legs` Bool COMMENT 'Whether the ticket says that other legs follow',
    `sequence` String COMMENT 'Running number of the record at the PBX: its gaps show what the PBX lost' CODEC(ZSTD(1)),
    `transferred_from` String COMMENT 'Extension or number' CODEC(ZSTD(1)),
    `transferred_to` String COMMENT 'Extension or number' CODEC(ZSTD(1)),
    `redirected_from` String COMMENT 'Extension or number' CODEC(ZSTD(1)),
    `charge_units` UInt32 COMMENT 'Meter pulses' CODEC(T64, ZSTD(1)),
    `charge_amount` String COMMENT 'This ticket''s own share, an exact decimal as the ticket prints it, in charge_currency' CODEC(ZSTD(1)),
    `charge_currency` LowCardinality(String) COMMENT 'ISO 4217 code',
    `hangup_cause` UInt32 COMMENT 'Q.850 cause, 1 to 127; 0 when not told' CODEC(T64, ZSTD(1)),
    `provisional` Bool COMMENT 'Reserved: a live ticket whose buffered twin is still to come',
    `attributes` Map(LowCardinality(String), String) COMMENT 'Every other field of the vendor''s that carries information, under its name in snake_case' CODEC(ZSTD(1)),
    `raw` String COMMENT 'The ticket''s bytes, without terminator' CODEC(ZSTD(1)),
    `warnings` Array(LowCardinality(String)) COMMENT 'What to know before trusting a field, such as YEAR_INFERRED' CODEC(ZSTD(1)),
    `gone` UInt8 COMMENT '1 marks that a replay moved or unmade the call that stood under this key' CODEC(T64, ZSTD(1)),
    `inserted_time` DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'When the row was written, UTC' CODEC(Delta(8), ZSTD(1)),
    `start_local` DateTime64(3, 'UTC') ALIAS addSeconds(start_time, utc_offset_seconds) COMMENT 'What the site''s clock showed at start_time (wall-clock time, not UTC)',
    INDEX ticket_id ticket_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX revision revision TYPE minmax GRANULARITY 1
)
ENGINE = {{.Replacing "revision, gone"}}
PARTITION BY toYYYYMM(start_time)
ORDER BY (site, start_time, ticket_id)
SETTINGS {{.Durable}}, min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1
COMMENT 'One row a call ticket, and older revisions of it until they are merged away: read the view calls';

{{.Distributed "cdrs" "cityHash64(ticket_id)"}};

CREATE TABLE IF NOT EXISTS {{.Local "other_tickets"}} {{.OnCluster}}
(
    `ticket_id` String COMMENT 'Identity of the ticket, 128 bits in hex' CODEC(ZSTD(1)),
    `site` LowCardinality(String) COMMENT 'Site id',
    `link` LowCardinality(String) COMMENT 'Link id: the PBX within its site',
    `model` LowCardinality(String) COMMENT 'Id of the PBX model in the catalogue',
    `outcome` LowCardinality(String) COMMENT 'IGNORED understood and no call, DEAD not understood',
    `reason` LowCardinality(String) COMMENT 'Short stable code, for counting',
    `error` String COMMENT 'The error in words' CODEC(ZSTD(1)),
    `raw` String COMMENT 'The ticket''s bytes, without terminator' CODEC(ZSTD(1)),
    `position` String COMMENT 'Where the ticket begins: byte offset in its origin, or the row key' CODEC(ZSTD(1)),
    `origin` String COMMENT 'Where the bytes of the message came from: file, table or connection' CODEC(ZSTD(1)),
    `offset` String COMMENT 'Where in the origin the message begins: byte offset, or the row key with its column' CODEC(ZSTD(1)),
    `name` String COMMENT 'File name or peer address, for people' CODEC(ZSTD(1)),
    `preamble` String COMMENT 'The head of the file that each of its tickets needs to be read' CODEC(ZSTD(1)),
    `incomplete` LowCardinality(String) COMMENT 'Why the bytes are no whole ticket; empty for a whole one',
    `written_time` DateTime64(6, 'UTC') COMMENT 'Modification time of the file or insertion time of the row, UTC; 1970-01-01 where there is none' CODEC(Delta(8), ZSTD(1)),
    `received_time` DateTime64(6, 'UTC') COMMENT 'When the first byte of the ticket''s message was received, UTC' CODEC(Delta(8), ZSTD(1)),
    `parsed_time` DateTime64(6, 'UTC') COMMENT 'When the ticket was parsed, UTC' CODEC(Delta(8), ZSTD(1)),
    `message_id` String COMMENT 'Id of the ticket''s message' CODEC(ZSTD(1)),
    `stream_sequence` UInt64 COMMENT 'Sequence of the ticket''s message in its stream' CODEC(T64, ZSTD(1)),
    `parser_version` LowCardinality(String) COMMENT 'Version of the parser that made this row',
    `revision` UInt32 COMMENT '0 is live, each replay draws the next number, the higher one wins' CODEC(T64, ZSTD(1)),
    `gone` UInt8 COMMENT '1 marks that a replay made a call of the ticket' CODEC(T64, ZSTD(1)),
    `inserted_time` DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'When the row was written, UTC' CODEC(Delta(8), ZSTD(1)),
    INDEX ticket_id ticket_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX received_time received_time TYPE minmax GRANULARITY 1,
    INDEX revision revision TYPE minmax GRANULARITY 1
)
ENGINE = {{.Replacing "revision, gone"}}
ORDER BY (site, link, ticket_id)
SETTINGS {{.Durable}}
COMMENT 'Tickets that gave no call: ignored or dead, with all that parsing them again needs. Read it with FINAL';

{{.Distributed "other_tickets" "cityHash64(ticket_id)"}};

CREATE TABLE IF NOT EXISTS {{.Local "receipts"}} {{.OnCluster}}
(
    `message_id` String COMMENT 'Id of the ticket message' CODEC(ZSTD(1)),
    `stream_sequence` UInt64 COMMENT 'Sequence of the ticket message in its stream' CODEC(T64, ZSTD(1)),
    `site` LowCardinality(String) COMMENT 'Site id',
    `link` LowCardinality(String) COMMENT 'Link id: the PBX within its site',
    `model` LowCardinality(String) COMMENT 'Id of the PBX model in the catalogue',
    `received_time` DateTime64(6, 'UTC') COMMENT 'When the first byte of the message was received, UTC' CODEC(Delta(8), ZSTD(1)),
    `parsed_time` DateTime64(6, 'UTC') COMMENT 'When the message was parsed, UTC' CODEC(Delta(8), ZSTD(1)),
    `parser_version` LowCardinality(String) COMMENT 'Version of the parser',
    `revision` UInt32 COMMENT '0 is live, each replay draws the next number' CODEC(T64, ZSTD(1)),
    `part` UInt32 COMMENT 'Part of the receipt, from 0; the counts stand in part 0 only' CODEC(T64, ZSTD(1)),
    `parts` UInt32 COMMENT 'How many parts the receipt has' CODEC(T64, ZSTD(1)),
    `ticket_count` UInt32 COMMENT 'Tickets in the message' CODEC(T64, ZSTD(1)),
    `cdr_count` UInt32 COMMENT 'Tickets that gave a call' CODEC(T64, ZSTD(1)),
    `ignored_count` UInt32 COMMENT 'Tickets that are no call' CODEC(T64, ZSTD(1)),
    `dead_count` UInt32 COMMENT 'Tickets that were not understood' CODEC(T64, ZSTD(1)),
    `byte_count` UInt64 COMMENT 'Bytes of the message' CODEC(T64, ZSTD(1)),
    `origin` String COMMENT 'Where the bytes came from: file, table or connection' CODEC(ZSTD(1)),
    `offset` String COMMENT 'Where in the origin the message begins: byte offset, or the row key with its column' CODEC(ZSTD(1)),
    `name` String COMMENT 'File name or peer address, for people' CODEC(ZSTD(1)),
    `written_time` DateTime64(6, 'UTC') COMMENT 'Modification time of the file or insertion time of the row, UTC; 1970-01-01 where there is none' CODEC(Delta(8), ZSTD(1)),
    `inserted_time` DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'When the row was written, UTC: the rows of the receipt were there before' CODEC(Delta(8), ZSTD(1))
)
ENGINE = {{.Replacing ""}}
PARTITION BY toYYYYMM(received_time)
ORDER BY (site, link, toDate(received_time), message_id, revision, part)
SETTINGS {{.Durable}}, min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1
COMMENT 'One row a part of a receipt; it stands when the rows of its tickets stand. Read it with FINAL';

{{.Distributed "receipts" "cityHash64(message_id)"}};
