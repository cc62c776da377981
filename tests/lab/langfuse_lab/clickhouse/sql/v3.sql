-- Copyright (c) 2026 llmops.langfuse contributors
-- GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
-- SPDX-License-Identifier: GPL-3.0-or-later

-- What Langfuse v3 has beside the common tables: forerunners that v4 drops.

CREATE TABLE IF NOT EXISTS event_log (
    id String,
    project_id String,
    entity_type String,
    entity_id String,
    event_id Nullable(String),
    bucket_name String,
    bucket_path String,
    created_at DateTime64(3) DEFAULT now(),
    updated_at DateTime64(3) DEFAULT now()
) ENGINE = MergeTree
ORDER BY (project_id, entity_type, entity_id);

CREATE TABLE IF NOT EXISTS project_environments (
    project_id String,
    environments SimpleAggregateFunction(groupUniqArrayArray, Array(String))
) ENGINE = AggregatingMergeTree
ORDER BY project_id;

INSERT INTO schema_migrations SELECT 37, 0, toUnixTimestamp64Nano(now64(9))
WHERE (SELECT count() FROM schema_migrations WHERE version >= 37) = 0;
