-- Copyright (c) 2026 llmops.langfuse contributors
-- GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
-- SPDX-License-Identifier: GPL-3.0-or-later

-- What Langfuse v4 changes: one wide table of events, and a lean copy of it that a materialized view keeps.

DROP TABLE IF EXISTS event_log SYNC;

DROP TABLE IF EXISTS project_environments SYNC;

CREATE TABLE IF NOT EXISTS events_full (
    project_id String,
    trace_id String,
    span_id String,
    parent_span_id String,
    start_time DateTime64(6),
    end_time Nullable(DateTime64(6)),
    name String,
    type LowCardinality(String),
    user_id String,
    session_id String,
    level LowCardinality(String),
    input String CODEC(ZSTD(3)),
    output String CODEC(ZSTD(3)),
    provided_model_name String,
    usage_details Map(LowCardinality(String), UInt64),
    cost_details Map(LowCardinality(String), Decimal(18, 12)),
    created_at DateTime64(6) DEFAULT now64(6),
    updated_at DateTime64(6) DEFAULT now64(6),
    event_ts DateTime64(6),
    is_deleted UInt8,
    INDEX idx_span_id span_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_trace_id trace_id TYPE bloom_filter(0.001) GRANULARITY 1
) ENGINE = ReplacingMergeTree(event_ts, is_deleted)
PARTITION BY toYYYYMM(start_time)
PRIMARY KEY (project_id, toStartOfMinute(start_time), xxHash32(trace_id))
ORDER BY (project_id, toStartOfMinute(start_time), xxHash32(trace_id), span_id, start_time)
SAMPLE BY xxHash32(trace_id);

CREATE TABLE IF NOT EXISTS events_core (
    project_id String,
    trace_id String,
    span_id String,
    parent_span_id String,
    start_time DateTime64(6),
    end_time Nullable(DateTime64(6)),
    name String,
    type LowCardinality(String),
    user_id String,
    session_id String,
    level LowCardinality(String),
    input String CODEC(ZSTD(3)),
    output String CODEC(ZSTD(3)),
    event_ts DateTime64(6),
    is_deleted UInt8,
    INDEX idx_trace_id trace_id TYPE bloom_filter(0.001) GRANULARITY 1
) ENGINE = ReplacingMergeTree(event_ts, is_deleted)
PARTITION BY toYYYYMM(start_time)
PRIMARY KEY (project_id, toStartOfMinute(start_time), xxHash32(trace_id))
ORDER BY (project_id, toStartOfMinute(start_time), xxHash32(trace_id), span_id, start_time)
SAMPLE BY xxHash32(trace_id);

CREATE MATERIALIZED VIEW IF NOT EXISTS events_core_mv TO events_core AS
SELECT
    project_id, trace_id, span_id, parent_span_id, start_time, end_time, name, type, user_id, session_id, level,
    leftUTF8(input, 200) AS input, leftUTF8(output, 200) AS output, event_ts, is_deleted
FROM events_full;

CREATE TABLE IF NOT EXISTS observations_batch_staging (
    id String,
    trace_id String,
    project_id String,
    start_time DateTime64(3),
    s3_first_seen_timestamp DateTime64(3),
    input Nullable(String) CODEC(ZSTD(3)),
    output Nullable(String) CODEC(ZSTD(3)),
    event_ts DateTime64(3),
    is_deleted UInt8
) ENGINE = ReplacingMergeTree(event_ts, is_deleted)
PARTITION BY toStartOfInterval(s3_first_seen_timestamp, INTERVAL 3 MINUTE)
ORDER BY (project_id, toDate(s3_first_seen_timestamp), trace_id, id)
TTL toDateTime(s3_first_seen_timestamp) + INTERVAL 48 HOUR
SETTINGS ttl_only_drop_parts = 1;

INSERT INTO schema_migrations SELECT 46, 0, toUnixTimestamp64Nano(now64(9))
WHERE (SELECT count() FROM schema_migrations WHERE version >= 46) = 0;
