CREATE TABLE meta (
  "key" TEXT NOT NULL,
  value TEXT NOT NULL,
  CONSTRAINT pk_meta PRIMARY KEY ("key")
);
CREATE TABLE workspaces (
  id TEXT NOT NULL,
  label TEXT NOT NULL,
  name TEXT NOT NULL,
  created_at DATETIME NOT NULL,
  CONSTRAINT pk_workspaces PRIMARY KEY (id),
  CONSTRAINT uq_workspaces_label UNIQUE (label)
);
CREATE TABLE events (
  id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  pos INTEGER,
  workspace_id TEXT NOT NULL,
  at DATETIME NOT NULL,
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  task_id TEXT,
  execution_id TEXT,
  runner_id TEXT,
  actor TEXT NOT NULL,
  old TEXT,
  new TEXT,
  cause TEXT,
  data JSON,
  chain BLOB,
  CONSTRAINT uq_events_pos UNIQUE (pos)
);
CREATE INDEX ix_events_unnumbered ON events (id) WHERE pos IS NULL;
CREATE INDEX ix_events_workspace_id_pos ON events (workspace_id, pos);
CREATE INDEX ix_events_workspace_id_task_id_pos ON events (workspace_id, task_id, pos);
CREATE TABLE cursors (
  name TEXT NOT NULL,
  pos INTEGER DEFAULT '0' NOT NULL,
  CONSTRAINT pk_cursors PRIMARY KEY (name)
);
CREATE TABLE tokens (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  name TEXT NOT NULL,
  role TEXT NOT NULL,
  instance BOOLEAN DEFAULT 0 NOT NULL,
  login TEXT,
  secret_hash TEXT NOT NULL,
  kind TEXT NOT NULL,
  parent_id TEXT,
  created_at DATETIME NOT NULL,
  expires_at DATETIME,
  revoked_at DATETIME,
  last_used_at DATETIME,
  CONSTRAINT pk_tokens PRIMARY KEY (workspace_id, id),
  CONSTRAINT fk_tokens_workspace_id_parent_id FOREIGN KEY(workspace_id, parent_id) REFERENCES tokens (workspace_id, id),
  CONSTRAINT ck_tokens_role CHECK (role IN ('viewer', 'operator', 'developer', 'admin')),
  CONSTRAINT ck_tokens_kind CHECK (kind IN ('key', 'access')),
  CONSTRAINT fk_tokens_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id),
  CONSTRAINT uq_tokens_login UNIQUE (login),
  CONSTRAINT uq_tokens_secret_hash UNIQUE (secret_hash)
);
CREATE TABLE enrolment_tokens (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  secret_hash TEXT NOT NULL,
  labels JSON NOT NULL,
  name TEXT,
  created_by TEXT NOT NULL,
  created_at DATETIME NOT NULL,
  expires_at DATETIME NOT NULL,
  used_at DATETIME,
  used_by TEXT,
  CONSTRAINT pk_enrolment_tokens PRIMARY KEY (workspace_id, id),
  CONSTRAINT fk_enrolment_tokens_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id),
  CONSTRAINT uq_enrolment_tokens_secret_hash UNIQUE (secret_hash)
);
CREATE TABLE idempotency (
  workspace_id TEXT NOT NULL,
  token_id TEXT NOT NULL,
  "key" TEXT NOT NULL,
  mac BLOB NOT NULL,
  status INTEGER NOT NULL,
  body BLOB NOT NULL,
  at DATETIME NOT NULL,
  CONSTRAINT pk_idempotency PRIMARY KEY (workspace_id, token_id, "key"),
  CONSTRAINT fk_idempotency_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_idempotency_at ON idempotency (at);
CREATE TABLE counters (
  workspace_id TEXT NOT NULL,
  name TEXT NOT NULL,
  value INTEGER NOT NULL,
  CONSTRAINT pk_counters PRIMARY KEY (workspace_id, name),
  CONSTRAINT fk_counters_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE TABLE bots (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  name TEXT NOT NULL,
  released_build_id TEXT,
  created_at DATETIME NOT NULL,
  CONSTRAINT pk_bots PRIMARY KEY (workspace_id, id),
  CONSTRAINT uq_bots_workspace_id_name UNIQUE (workspace_id, name),
  CONSTRAINT fk_bots_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE TABLE blobs (
  workspace_id TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  size_bytes INTEGER NOT NULL,
  created_at DATETIME NOT NULL,
  CONSTRAINT pk_blobs PRIMARY KEY (workspace_id, sha256),
  CONSTRAINT fk_blobs_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE TABLE alerts (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  at DATETIME NOT NULL,
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  message TEXT NOT NULL,
  resolved_at DATETIME,
  CONSTRAINT pk_alerts PRIMARY KEY (workspace_id, id),
  CONSTRAINT fk_alerts_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_alerts_workspace_id_at ON alerts (workspace_id, at);
CREATE TABLE resources (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  label TEXT NOT NULL,
  name TEXT NOT NULL,
  description TEXT DEFAULT '' NOT NULL,
  capacity INTEGER NOT NULL,
  accounts JSON,
  turn INTEGER DEFAULT '0' NOT NULL,
  created_at DATETIME NOT NULL,
  updated_at DATETIME NOT NULL,
  CONSTRAINT pk_resources PRIMARY KEY (workspace_id, id),
  CONSTRAINT uq_resources_workspace_id_label UNIQUE (workspace_id, label),
  CONSTRAINT ck_resources_capacity_positive CHECK (capacity >= 0),
  CONSTRAINT fk_resources_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE TABLE breakers (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  label TEXT NOT NULL,
  state TEXT DEFAULT 'closed' NOT NULL,
  policy JSON NOT NULL,
  failed_in_a_row INTEGER DEFAULT '0' NOT NULL,
  openings INTEGER DEFAULT '0' NOT NULL,
  opened_at DATETIME,
  probe_at DATETIME,
  why TEXT,
  item_id TEXT,
  probes_out INTEGER DEFAULT '0' NOT NULL,
  probes_passed INTEGER DEFAULT '0' NOT NULL,
  created_at DATETIME NOT NULL,
  updated_at DATETIME NOT NULL,
  CONSTRAINT pk_breakers PRIMARY KEY (workspace_id, id),
  CONSTRAINT uq_breakers_workspace_id_label UNIQUE (workspace_id, label),
  CONSTRAINT ck_breakers_state CHECK (state IN ('closed', 'open', 'half_open')),
  CONSTRAINT fk_breakers_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_breakers_timed ON breakers (probe_at) WHERE probe_at IS NOT NULL;
CREATE TABLE queues (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  label TEXT NOT NULL,
  name TEXT NOT NULL,
  description TEXT DEFAULT '' NOT NULL,
  fields JSON NOT NULL,
  schema JSON,
  consumption TEXT DEFAULT 'fifo' NOT NULL,
  state TEXT DEFAULT 'active' NOT NULL,
  paused_why TEXT,
  concurrency INTEGER,
  retry JSON NOT NULL,
  lease_s INTEGER DEFAULT '900' NOT NULL,
  expected_s INTEGER,
  retention_days INTEGER,
  success_queue_id TEXT,
  failure_queue_id TEXT,
  unique_references BOOLEAN DEFAULT 0 NOT NULL,
  stop_after INTEGER,
  failed_in_a_row INTEGER DEFAULT '0' NOT NULL,
  target TEXT,
  stock TEXT DEFAULT 'none' NOT NULL,
  created_at DATETIME NOT NULL,
  updated_at DATETIME NOT NULL,
  CONSTRAINT pk_queues PRIMARY KEY (workspace_id, id),
  CONSTRAINT uq_queues_workspace_id_label UNIQUE (workspace_id, label),
  CONSTRAINT fk_queues_workspace_id_success_queue_id FOREIGN KEY(workspace_id, success_queue_id) REFERENCES queues (workspace_id, id),
  CONSTRAINT fk_queues_workspace_id_failure_queue_id FOREIGN KEY(workspace_id, failure_queue_id) REFERENCES queues (workspace_id, id),
  CONSTRAINT ck_queues_consumption CHECK (consumption IN ('fifo', 'lifo')),
  CONSTRAINT ck_queues_state CHECK (state IN ('active', 'paused')),
  CONSTRAINT ck_queues_stock CHECK (stock IN ('none', 'in_work', 'waiting')),
  CONSTRAINT ck_queues_concurrency_positive CHECK (concurrency >= 1),
  CONSTRAINT ck_queues_lease_positive CHECK (lease_s >= 1),
  CONSTRAINT fk_queues_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE TABLE runners (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  name TEXT NOT NULL,
  public_key TEXT NOT NULL,
  home_id TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  labels JSON NOT NULL,
  slots INTEGER NOT NULL,
  state TEXT NOT NULL,
  draining BOOLEAN DEFAULT 0 NOT NULL,
  session_epoch INTEGER,
  last_epoch INTEGER DEFAULT '0' NOT NULL,
  hub_id TEXT,
  join_counter INTEGER DEFAULT '0' NOT NULL,
  boot_id TEXT,
  unreachable_since DATETIME,
  quarantined_at DATETIME,
  quarantine_reason TEXT,
  failed_in_a_row INTEGER DEFAULT '0' NOT NULL,
  failing JSON,
  benched_at DATETIME,
  drain_reason TEXT,
  drained_by TEXT,
  drained_at DATETIME,
  shown_at DATETIME,
  agent_version TEXT,
  platform JSON,
  condition JSON,
  faults_told JSON,
  condition_at DATETIME,
  connected_at DATETIME,
  last_seen_at DATETIME,
  revoked_at DATETIME,
  created_at DATETIME NOT NULL,
  CONSTRAINT pk_runners PRIMARY KEY (workspace_id, id),
  CONSTRAINT uq_runners_workspace_id_name UNIQUE (workspace_id, name),
  CONSTRAINT ck_runners_state CHECK (state IN ('enrolled', 'revoked')),
  CONSTRAINT ck_runners_slots_positive CHECK (slots >= 1),
  CONSTRAINT ck_runners_epoch_of_session CHECK (session_epoch IS NULL OR session_epoch = last_epoch),
  CONSTRAINT ck_runners_session_has_hub CHECK (session_epoch IS NULL OR hub_id IS NOT NULL),
  CONSTRAINT fk_runners_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_runners_live ON runners (hub_id, session_epoch);
CREATE TABLE calendars (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  label TEXT NOT NULL,
  name TEXT NOT NULL,
  definition JSON NOT NULL,
  created_at DATETIME NOT NULL,
  updated_at DATETIME NOT NULL,
  CONSTRAINT pk_calendars PRIMARY KEY (workspace_id, id),
  CONSTRAINT uq_calendars_workspace_id_label UNIQUE (workspace_id, label),
  CONSTRAINT fk_calendars_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE TABLE label_sets (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  needs JSON NOT NULL,
  digest TEXT NOT NULL,
  CONSTRAINT pk_label_sets PRIMARY KEY (workspace_id, id),
  CONSTRAINT uq_label_sets_workspace_id_digest UNIQUE (workspace_id, digest),
  CONSTRAINT fk_label_sets_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE TABLE builds (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  bot_id TEXT NOT NULL,
  version TEXT NOT NULL,
  digest TEXT NOT NULL,
  state TEXT NOT NULL,
  kind TEXT,
  launch JSON,
  lock_digest TEXT,
  python TEXT,
  size_bytes INTEGER DEFAULT '0' NOT NULL,
  file_count INTEGER DEFAULT '0' NOT NULL,
  problem TEXT,
  created_by TEXT NOT NULL,
  created_at DATETIME NOT NULL,
  ready_at DATETIME,
  CONSTRAINT pk_builds PRIMARY KEY (workspace_id, id),
  CONSTRAINT uq_builds_workspace_id_bot_id_version UNIQUE (workspace_id, bot_id, version),
  CONSTRAINT fk_builds_workspace_id_bot_id FOREIGN KEY(workspace_id, bot_id) REFERENCES bots (workspace_id, id),
  CONSTRAINT ck_builds_state CHECK (state IN ('received', 'resolving', 'ready', 'rejected')),
  CONSTRAINT ck_builds_ready_is_launchable CHECK (state <> 'ready' OR (kind IS NOT NULL AND launch IS NOT NULL)),
  CONSTRAINT fk_builds_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_builds_unfinished ON builds (created_at) WHERE state IN ('received', 'resolving');
CREATE INDEX ix_builds_workspace_id_digest ON builds (workspace_id, digest);
CREATE TABLE windows (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  runner_id TEXT NOT NULL,
  starts_at DATETIME NOT NULL,
  ends_at DATETIME NOT NULL,
  reason TEXT NOT NULL,
  created_by TEXT NOT NULL,
  created_at DATETIME NOT NULL,
  CONSTRAINT pk_windows PRIMARY KEY (workspace_id, id),
  CONSTRAINT fk_windows_workspace_id_runner_id FOREIGN KEY(workspace_id, runner_id) REFERENCES runners (workspace_id, id),
  CONSTRAINT ck_windows_ends_later CHECK (ends_at > starts_at),
  CONSTRAINT fk_windows_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_windows_workspace_id_runner_id_ends_at ON windows (workspace_id, runner_id, ends_at);
CREATE TABLE items (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  queue_id TEXT NOT NULL,
  state TEXT NOT NULL,
  payload JSON NOT NULL,
  priority INTEGER DEFAULT '5' NOT NULL,
  rank INTEGER NOT NULL,
  reference TEXT,
  unique_key TEXT,
  not_before DATETIME,
  deadline DATETIME NOT NULL,
  tags JSON,
  tries INTEGER DEFAULT '0' NOT NULL,
  attempts INTEGER DEFAULT '0' NOT NULL,
  crashes INTEGER DEFAULT '0' NOT NULL,
  fence INTEGER DEFAULT '0' NOT NULL,
  lease_until DATETIME,
  taken_at DATETIME,
  holder TEXT,
  execution_id TEXT,
  task_id TEXT,
  runner_id TEXT,
  avoid_runner_id TEXT,
  progress JSON,
  error_class TEXT,
  message TEXT,
  result JSON,
  source_id TEXT,
  batch_id TEXT,
  created_by TEXT NOT NULL,
  created_at DATETIME NOT NULL,
  updated_at DATETIME NOT NULL,
  finished_at DATETIME,
  CONSTRAINT pk_items PRIMARY KEY (workspace_id, id),
  CONSTRAINT fk_items_workspace_id_queue_id FOREIGN KEY(workspace_id, queue_id) REFERENCES queues (workspace_id, id),
  CONSTRAINT ck_items_state CHECK (state IN ('staged', 'pending', 'postponed', 'processing', 'done', 'failed', 'timed_out', 'canceled', 'dead', 'in_review')),
  CONSTRAINT ck_items_error_class CHECK (error_class IN ('business', 'application', 'system')),
  CONSTRAINT ck_items_priority_range CHECK (priority BETWEEN 0 AND 10),
  CONSTRAINT ck_items_held_has_lease CHECK ((state = 'processing') = (lease_until IS NOT NULL)),
  CONSTRAINT fk_items_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_items_dead ON items (workspace_id, finished_at, id) WHERE state IN ('dead', 'failed', 'timed_out');
CREATE INDEX ix_items_dead_of_queue ON items (workspace_id, queue_id, finished_at, id, state, error_class) WHERE state IN ('dead', 'failed', 'timed_out');
CREATE INDEX ix_items_due ON items (not_before) WHERE state = 'postponed';
CREATE INDEX ix_items_ended ON items (workspace_id, queue_id, finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX ix_items_execution ON items (workspace_id, execution_id) WHERE state = 'processing' AND execution_id IS NOT NULL;
CREATE INDEX ix_items_lease ON items (lease_until) WHERE state = 'processing';
CREATE INDEX ix_items_newest ON items (workspace_id, queue_id, created_at DESC, id DESC);
CREATE INDEX ix_items_next ON items (workspace_id, queue_id, deadline, priority DESC, rank, id) WHERE state = 'pending';
CREATE INDEX ix_items_postponed ON items (workspace_id, queue_id) WHERE state = 'postponed';
CREATE INDEX ix_items_reference ON items (workspace_id, queue_id, reference, created_at, id) WHERE reference IS NOT NULL;
CREATE INDEX ix_items_staged ON items (workspace_id, batch_id) WHERE state = 'staged';
CREATE INDEX ix_items_state ON items (workspace_id, queue_id, state, created_at, id);
CREATE UNIQUE INDEX uq_items_key ON items (workspace_id, queue_id, unique_key) WHERE unique_key IS NOT NULL;
CREATE TABLE batches (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  queue_id TEXT NOT NULL,
  state TEXT NOT NULL,
  items INTEGER DEFAULT '0' NOT NULL,
  created_by TEXT NOT NULL,
  created_at DATETIME NOT NULL,
  updated_at DATETIME NOT NULL,
  CONSTRAINT pk_batches PRIMARY KEY (workspace_id, id),
  CONSTRAINT fk_batches_workspace_id_queue_id FOREIGN KEY(workspace_id, queue_id) REFERENCES queues (workspace_id, id),
  CONSTRAINT ck_batches_state CHECK (state IN ('open', 'visible')),
  CONSTRAINT fk_batches_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE TABLE runner_sessions (
  workspace_id TEXT NOT NULL,
  runner_id TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  home_id TEXT NOT NULL,
  hub_id TEXT NOT NULL,
  opened_at DATETIME NOT NULL,
  closed_at DATETIME,
  close_reason TEXT,
  CONSTRAINT pk_runner_sessions PRIMARY KEY (workspace_id, runner_id, epoch),
  CONSTRAINT fk_runner_sessions_workspace_id_runner_id FOREIGN KEY(workspace_id, runner_id) REFERENCES runners (workspace_id, id),
  CONSTRAINT fk_runner_sessions_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_runner_sessions_open ON runner_sessions (hub_id) WHERE closed_at IS NULL;
CREATE TABLE automations (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  label TEXT NOT NULL,
  name TEXT NOT NULL,
  description TEXT DEFAULT '' NOT NULL,
  bot_id TEXT NOT NULL,
  parameters JSON NOT NULL,
  label_set_id TEXT NOT NULL,
  priority INTEGER DEFAULT '5' NOT NULL,
  report TEXT DEFAULT 'default' NOT NULL,
  on_disconnect TEXT DEFAULT 'keep' NOT NULL,
  lost_after_s INTEGER DEFAULT '600' NOT NULL,
  run_limit_s INTEGER DEFAULT '86400',
  limits JSON,
  retry JSON,
  concurrency INTEGER,
  concurrency_key TEXT,
  rate JSON,
  uses JSON,
  desktop JSON,
  turn INTEGER DEFAULT '0' NOT NULL,
  state TEXT DEFAULT 'active' NOT NULL,
  paused_why TEXT,
  stopped_at DATETIME,
  failed_in_a_row INTEGER DEFAULT '0' NOT NULL,
  created_at DATETIME NOT NULL,
  updated_at DATETIME NOT NULL,
  CONSTRAINT pk_automations PRIMARY KEY (workspace_id, id),
  CONSTRAINT uq_automations_workspace_id_label UNIQUE (workspace_id, label),
  CONSTRAINT fk_automations_workspace_id_bot_id FOREIGN KEY(workspace_id, bot_id) REFERENCES bots (workspace_id, id),
  CONSTRAINT fk_automations_workspace_id_label_set_id FOREIGN KEY(workspace_id, label_set_id) REFERENCES label_sets (workspace_id, id),
  CONSTRAINT ck_automations_report CHECK (report IN ('required', 'optional', 'default')),
  CONSTRAINT ck_automations_on_disconnect CHECK (on_disconnect IN ('keep', 'stop')),
  CONSTRAINT ck_automations_state CHECK (state IN ('active', 'paused')),
  CONSTRAINT ck_automations_priority_range CHECK (priority BETWEEN 0 AND 10),
  CONSTRAINT ck_automations_lost_after_floor CHECK (lost_after_s >= 120),
  CONSTRAINT ck_automations_run_limit_positive CHECK (run_limit_s > 0),
  CONSTRAINT fk_automations_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE TABLE releases (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  bot_id TEXT NOT NULL,
  build_id TEXT NOT NULL,
  released_by TEXT NOT NULL,
  released_at DATETIME NOT NULL,
  CONSTRAINT pk_releases PRIMARY KEY (workspace_id, id),
  CONSTRAINT fk_releases_workspace_id_bot_id FOREIGN KEY(workspace_id, bot_id) REFERENCES bots (workspace_id, id),
  CONSTRAINT fk_releases_workspace_id_build_id FOREIGN KEY(workspace_id, build_id) REFERENCES builds (workspace_id, id),
  CONSTRAINT fk_releases_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_releases_workspace_id_bot_id_released_at ON releases (workspace_id, bot_id, released_at);
CREATE TABLE preparations (
  workspace_id TEXT NOT NULL,
  runner_id TEXT NOT NULL,
  build_id TEXT NOT NULL,
  state TEXT NOT NULL,
  progress DOUBLE DEFAULT '0' NOT NULL,
  message TEXT,
  permanent BOOLEAN DEFAULT 0 NOT NULL,
  succeeded_at DATETIME,
  updated_at DATETIME NOT NULL,
  CONSTRAINT pk_preparations PRIMARY KEY (workspace_id, runner_id, build_id),
  CONSTRAINT fk_preparations_workspace_id_runner_id FOREIGN KEY(workspace_id, runner_id) REFERENCES runners (workspace_id, id),
  CONSTRAINT fk_preparations_workspace_id_build_id FOREIGN KEY(workspace_id, build_id) REFERENCES builds (workspace_id, id),
  CONSTRAINT ck_preparations_state CHECK (state IN ('wanted', 'fetching', 'installing', 'prepared', 'failed')),
  CONSTRAINT fk_preparations_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_preparations_workspace_id_build_id_state ON preparations (workspace_id, build_id, state);
CREATE TABLE attempts (
  workspace_id TEXT NOT NULL,
  item_id TEXT NOT NULL,
  number INTEGER NOT NULL,
  fence INTEGER NOT NULL,
  holder TEXT NOT NULL,
  execution_id TEXT,
  task_id TEXT,
  runner_id TEXT,
  taken_at DATETIME NOT NULL,
  ended_at DATETIME NOT NULL,
  outcome TEXT NOT NULL,
  error_class TEXT,
  message TEXT,
  is_counted BOOLEAN NOT NULL,
  progress JSON,
  CONSTRAINT pk_attempts PRIMARY KEY (workspace_id, item_id, number),
  CONSTRAINT fk_attempts_workspace_id_item_id FOREIGN KEY(workspace_id, item_id) REFERENCES items (workspace_id, id),
  CONSTRAINT ck_attempts_outcome CHECK (outcome IN ('done', 'failed', 'timed_out', 'crashed', 'returned', 'in_review', 'canceled')),
  CONSTRAINT ck_attempts_error_class CHECK (error_class IN ('business', 'application', 'system')),
  CONSTRAINT fk_attempts_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_attempts_workspace_id_execution_id ON attempts (workspace_id, execution_id);
CREATE TABLE item_files (
  workspace_id TEXT NOT NULL,
  item_id TEXT NOT NULL,
  name TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  size_bytes INTEGER NOT NULL,
  created_at DATETIME NOT NULL,
  CONSTRAINT pk_item_files PRIMARY KEY (workspace_id, item_id, name),
  CONSTRAINT fk_item_files_workspace_id_item_id FOREIGN KEY(workspace_id, item_id) REFERENCES items (workspace_id, id),
  CONSTRAINT fk_item_files_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE TABLE side_effects (
  workspace_id TEXT NOT NULL,
  item_id TEXT NOT NULL,
  effect_key TEXT NOT NULL,
  state TEXT NOT NULL,
  fence INTEGER NOT NULL,
  result JSON,
  message TEXT,
  actor TEXT NOT NULL,
  intended_at DATETIME NOT NULL,
  settled_at DATETIME,
  CONSTRAINT pk_side_effects PRIMARY KEY (workspace_id, item_id, effect_key),
  CONSTRAINT fk_side_effects_workspace_id_item_id FOREIGN KEY(workspace_id, item_id) REFERENCES items (workspace_id, id),
  CONSTRAINT ck_side_effects_state CHECK (state IN ('intended', 'done', 'not_done')),
  CONSTRAINT fk_side_effects_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE TABLE triggers (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  label TEXT NOT NULL,
  name TEXT NOT NULL,
  kind TEXT NOT NULL,
  automation_id TEXT NOT NULL,
  definition JSON NOT NULL,
  parameters JSON NOT NULL,
  queue_id TEXT,
  calendar_id TEXT,
  state TEXT DEFAULT 'active' NOT NULL,
  off_why TEXT,
  failed_in_a_row INTEGER DEFAULT '0' NOT NULL,
  next_at DATETIME,
  considered_at DATETIME,
  event_pos INTEGER,
  secret TEXT,
  runner TEXT,
  watched_revision TEXT,
  watched_at DATETIME,
  trouble TEXT,
  trouble_since DATETIME,
  created_by TEXT NOT NULL,
  created_at DATETIME NOT NULL,
  updated_at DATETIME NOT NULL,
  CONSTRAINT pk_triggers PRIMARY KEY (workspace_id, id),
  CONSTRAINT uq_triggers_workspace_id_label UNIQUE (workspace_id, label),
  CONSTRAINT fk_triggers_workspace_id_automation_id FOREIGN KEY(workspace_id, automation_id) REFERENCES automations (workspace_id, id),
  CONSTRAINT fk_triggers_workspace_id_queue_id FOREIGN KEY(workspace_id, queue_id) REFERENCES queues (workspace_id, id),
  CONSTRAINT fk_triggers_workspace_id_calendar_id FOREIGN KEY(workspace_id, calendar_id) REFERENCES calendars (workspace_id, id),
  CONSTRAINT ck_triggers_kind CHECK (kind IN ('schedule', 'queue', 'webhook', 'file', 'event')),
  CONSTRAINT ck_triggers_state CHECK (state IN ('active', 'paused', 'off', 'ended')),
  CONSTRAINT fk_triggers_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_triggers_due ON triggers (next_at) WHERE state = 'active' AND next_at IS NOT NULL;
CREATE INDEX ix_triggers_id ON triggers (id);
CREATE INDEX ix_triggers_queue ON triggers (workspace_id, queue_id);
CREATE INDEX ix_triggers_runner ON triggers (workspace_id, runner);
CREATE TABLE tasks (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  number INTEGER NOT NULL,
  round INTEGER DEFAULT '1' NOT NULL,
  automation_id TEXT NOT NULL,
  bot_id TEXT NOT NULL,
  label_set_id TEXT NOT NULL,
  state TEXT NOT NULL,
  priority INTEGER DEFAULT '5' NOT NULL,
  not_before DATETIME,
  parameters JSON NOT NULL,
  test BOOLEAN DEFAULT 0 NOT NULL,
  fence INTEGER DEFAULT '0' NOT NULL,
  cancel_requested_at DATETIME,
  cancel_requested_by TEXT,
  forced_cancel_at DATETIME,
  interrupt_requested_at DATETIME,
  kill_requested_at DATETIME,
  kill_requested_by TEXT,
  reported_at DATETIME,
  outcome TEXT,
  reason TEXT,
  flags JSON,
  message TEXT,
  total INTEGER,
  processed INTEGER,
  failed INTEGER,
  exit_code INTEGER,
  build_id TEXT,
  runner_id TEXT,
  created_by TEXT NOT NULL,
  created_at DATETIME NOT NULL,
  updated_at DATETIME NOT NULL,
  started_at DATETIME,
  ended_at DATETIME,
  settled_at DATETIME,
  next_task_id TEXT,
  restart_of TEXT,
  held TEXT,
  ranked_at DATETIME NOT NULL,
  holding BOOLEAN DEFAULT 0 NOT NULL,
  limit_key TEXT,
  "after" TEXT,
  open_prerequisites INTEGER DEFAULT '0' NOT NULL,
  awaited BOOLEAN DEFAULT 0 NOT NULL,
  tries JSON,
  avoid_runner_id TEXT DEFAULT '' NOT NULL,
  trigger_id TEXT,
  CONSTRAINT pk_tasks PRIMARY KEY (workspace_id, id),
  CONSTRAINT uq_tasks_workspace_id_number_round UNIQUE (workspace_id, number, round),
  CONSTRAINT fk_tasks_workspace_id_automation_id FOREIGN KEY(workspace_id, automation_id) REFERENCES automations (workspace_id, id),
  CONSTRAINT fk_tasks_workspace_id_bot_id FOREIGN KEY(workspace_id, bot_id) REFERENCES bots (workspace_id, id),
  CONSTRAINT fk_tasks_workspace_id_label_set_id FOREIGN KEY(workspace_id, label_set_id) REFERENCES label_sets (workspace_id, id),
  CONSTRAINT fk_tasks_workspace_id_build_id FOREIGN KEY(workspace_id, build_id) REFERENCES builds (workspace_id, id),
  CONSTRAINT fk_tasks_workspace_id_runner_id FOREIGN KEY(workspace_id, runner_id) REFERENCES runners (workspace_id, id),
  CONSTRAINT fk_tasks_workspace_id_restart_of FOREIGN KEY(workspace_id, restart_of) REFERENCES tasks (workspace_id, id),
  CONSTRAINT ck_tasks_state CHECK (state IN ('waiting', 'queued', 'running', 'finished')),
  CONSTRAINT ck_tasks_outcome CHECK (outcome IN ('succeeded', 'partial', 'failed', 'canceled', 'timed_out', 'lost', 'refused')),
  CONSTRAINT ck_tasks_after CHECK (after IN ('succeeded', 'finished', 'any')),
  CONSTRAINT ck_tasks_priority_range CHECK (priority BETWEEN 0 AND 10),
  CONSTRAINT ck_tasks_round_positive CHECK (round >= 1),
  CONSTRAINT ck_tasks_fence_positive CHECK (fence >= 0),
  CONSTRAINT ck_tasks_finished_has_outcome CHECK ((state = 'finished') = (outcome IS NOT NULL)),
  CONSTRAINT ck_tasks_finished_is_settled CHECK ((state = 'finished') = (settled_at IS NOT NULL)),
  CONSTRAINT fk_tasks_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_tasks_automation ON tasks (workspace_id, automation_id, created_at DESC);
CREATE INDEX ix_tasks_claim ON tasks (workspace_id, label_set_id, bot_id, automation_id, avoid_runner_id, ranked_at, id) WHERE state = 'queued';
CREATE INDEX ix_tasks_due ON tasks (not_before) WHERE state = 'waiting' AND open_prerequisites = 0;
CREATE INDEX ix_tasks_newest ON tasks (workspace_id, created_at DESC, id DESC);
CREATE INDEX ix_tasks_running ON tasks (workspace_id, automation_id) WHERE state = 'running';
CREATE INDEX ix_tasks_trigger ON tasks (workspace_id, trigger_id) WHERE trigger_id IS NOT NULL AND state <> 'finished';
CREATE INDEX ix_tasks_trigger_ends ON tasks (workspace_id, trigger_id, settled_at DESC) WHERE trigger_id IS NOT NULL AND state = 'finished';
CREATE INDEX ix_tasks_untold ON tasks (workspace_id, id) WHERE awaited AND state = 'finished';
CREATE UNIQUE INDEX uq_tasks_unfinished ON tasks (workspace_id, number) WHERE state <> 'finished';
CREATE TABLE retries (
  workspace_id TEXT NOT NULL,
  automation_id TEXT NOT NULL,
  task_id TEXT NOT NULL,
  fence INTEGER NOT NULL,
  at DATETIME NOT NULL,
  CONSTRAINT pk_retries PRIMARY KEY (workspace_id, task_id, fence),
  CONSTRAINT fk_retries_workspace_id_automation_id FOREIGN KEY(workspace_id, automation_id) REFERENCES automations (workspace_id, id),
  CONSTRAINT fk_retries_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_retries_workspace_id_automation_id_at ON retries (workspace_id, automation_id, at);
CREATE TABLE holds (
  workspace_id TEXT NOT NULL,
  limit_key TEXT NOT NULL,
  task_id TEXT NOT NULL,
  units INTEGER NOT NULL,
  account TEXT,
  since DATETIME NOT NULL,
  CONSTRAINT pk_holds PRIMARY KEY (workspace_id, limit_key, task_id),
  CONSTRAINT fk_holds_workspace_id_task_id FOREIGN KEY(workspace_id, task_id) REFERENCES tasks (workspace_id, id),
  CONSTRAINT fk_holds_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_holds_workspace_id_task_id ON holds (workspace_id, task_id);
CREATE UNIQUE INDEX uq_holds_account ON holds (workspace_id, limit_key, account) WHERE account IS NOT NULL;
CREATE TABLE starts (
  workspace_id TEXT NOT NULL,
  limit_key TEXT NOT NULL,
  task_id TEXT NOT NULL,
  fence INTEGER NOT NULL,
  at DATETIME NOT NULL,
  CONSTRAINT pk_starts PRIMARY KEY (workspace_id, limit_key, task_id, fence),
  CONSTRAINT fk_starts_workspace_id_task_id FOREIGN KEY(workspace_id, task_id) REFERENCES tasks (workspace_id, id),
  CONSTRAINT fk_starts_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_starts_workspace_id_limit_key_at ON starts (workspace_id, limit_key, at);
CREATE INDEX ix_starts_workspace_id_task_id ON starts (workspace_id, task_id);
CREATE TABLE prerequisites (
  workspace_id TEXT NOT NULL,
  task_id TEXT NOT NULL,
  after_task_id TEXT NOT NULL,
  outcome TEXT,
  CONSTRAINT pk_prerequisites PRIMARY KEY (workspace_id, task_id, after_task_id),
  CONSTRAINT fk_prerequisites_workspace_id_task_id FOREIGN KEY(workspace_id, task_id) REFERENCES tasks (workspace_id, id),
  CONSTRAINT fk_prerequisites_workspace_id_after_task_id FOREIGN KEY(workspace_id, after_task_id) REFERENCES tasks (workspace_id, id),
  CONSTRAINT fk_prerequisites_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_prerequisites_workspace_id_after_task_id ON prerequisites (workspace_id, after_task_id);
CREATE TABLE amendments (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  task_id TEXT NOT NULL,
  status TEXT NOT NULL,
  message TEXT,
  total INTEGER,
  processed INTEGER,
  failed INTEGER,
  amended_by TEXT NOT NULL,
  amended_at DATETIME NOT NULL,
  CONSTRAINT pk_amendments PRIMARY KEY (workspace_id, id),
  CONSTRAINT fk_amendments_workspace_id_task_id FOREIGN KEY(workspace_id, task_id) REFERENCES tasks (workspace_id, id),
  CONSTRAINT fk_amendments_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_amendments_workspace_id_task_id_amended_at ON amendments (workspace_id, task_id, amended_at);
CREATE TABLE firings (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  trigger_id TEXT NOT NULL,
  cause_key TEXT NOT NULL,
  scheduled_for DATETIME,
  at DATETIME NOT NULL,
  outcome TEXT NOT NULL,
  why TEXT DEFAULT '' NOT NULL,
  task_id TEXT,
  depth INTEGER DEFAULT '0' NOT NULL,
  CONSTRAINT pk_firings PRIMARY KEY (workspace_id, id),
  CONSTRAINT uq_firings_workspace_id_trigger_id_cause_key UNIQUE (workspace_id, trigger_id, cause_key),
  CONSTRAINT fk_firings_workspace_id_trigger_id FOREIGN KEY(workspace_id, trigger_id) REFERENCES triggers (workspace_id, id),
  CONSTRAINT ck_firings_outcome CHECK (outcome IN ('fired', 'skipped', 'failed')),
  CONSTRAINT fk_firings_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_firings_workspace_id_trigger_id_at ON firings (workspace_id, trigger_id, at);
CREATE TABLE awaited (
  workspace_id TEXT NOT NULL,
  trigger_id TEXT NOT NULL,
  about TEXT NOT NULL,
  since DATETIME NOT NULL,
  due_at DATETIME NOT NULL,
  event JSON NOT NULL,
  is_told BOOLEAN DEFAULT 0 NOT NULL,
  CONSTRAINT pk_awaited PRIMARY KEY (workspace_id, trigger_id, about),
  CONSTRAINT fk_awaited_workspace_id_trigger_id FOREIGN KEY(workspace_id, trigger_id) REFERENCES triggers (workspace_id, id),
  CONSTRAINT fk_awaited_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_awaited_workspace_id_trigger_id_due_at ON awaited (workspace_id, trigger_id, due_at);
CREATE TABLE trigger_files (
  workspace_id TEXT NOT NULL,
  trigger_id TEXT NOT NULL,
  identity TEXT NOT NULL,
  device TEXT NOT NULL,
  path TEXT NOT NULL,
  seen_at DATETIME NOT NULL,
  CONSTRAINT pk_trigger_files PRIMARY KEY (workspace_id, trigger_id, identity, device),
  CONSTRAINT fk_trigger_files_workspace_id_trigger_id FOREIGN KEY(workspace_id, trigger_id) REFERENCES triggers (workspace_id, id),
  CONSTRAINT fk_trigger_files_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE TABLE executions (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  task_id TEXT NOT NULL,
  runner_id TEXT NOT NULL,
  home_id TEXT NOT NULL,
  build_id TEXT NOT NULL,
  build_digest TEXT NOT NULL,
  fence INTEGER NOT NULL,
  state TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  slot INTEGER NOT NULL,
  generation INTEGER NOT NULL,
  on_disconnect TEXT NOT NULL,
  lost_after_s INTEGER NOT NULL,
  granted_at DATETIME NOT NULL,
  queried_at DATETIME,
  sent_at DATETIME,
  started_at DATETIME,
  ended_at DATETIME,
  settled_at DATETIME,
  exit_code INTEGER,
  exit_signal INTEGER,
  exit_reason TEXT,
  report JSON,
  report_seq INTEGER,
  reported_at DATETIME,
  stop_cause TEXT,
  stop_seq INTEGER,
  stop_asked_at DATETIME,
  stop_asked_cause TEXT,
  limits JSON,
  limits_changed_at DATETIME,
  void_reason TEXT,
  last_fact INTEGER DEFAULT '0' NOT NULL,
  output_bytes INTEGER DEFAULT '0' NOT NULL,
  output_lines INTEGER DEFAULT '0' NOT NULL,
  output_sha256 TEXT,
  output_state TEXT DEFAULT 'none' NOT NULL,
  gaps JSON,
  progress_percent DOUBLE,
  progress_text TEXT,
  progress_at DATETIME,
  outcome TEXT,
  reason TEXT,
  CONSTRAINT pk_executions PRIMARY KEY (workspace_id, id),
  CONSTRAINT uq_executions_workspace_id_task_id_fence UNIQUE (workspace_id, task_id, fence),
  CONSTRAINT fk_executions_workspace_id_task_id FOREIGN KEY(workspace_id, task_id) REFERENCES tasks (workspace_id, id),
  CONSTRAINT fk_executions_workspace_id_runner_id FOREIGN KEY(workspace_id, runner_id) REFERENCES runners (workspace_id, id),
  CONSTRAINT fk_executions_workspace_id_build_id FOREIGN KEY(workspace_id, build_id) REFERENCES builds (workspace_id, id),
  CONSTRAINT ck_executions_state CHECK (state IN ('granted', 'running', 'ending', 'finished', 'void')),
  CONSTRAINT ck_executions_on_disconnect CHECK (on_disconnect IN ('keep', 'stop')),
  CONSTRAINT ck_executions_output_state CHECK (output_state IN ('none', 'arriving', 'complete', 'incomplete', 'damaged')),
  CONSTRAINT ck_executions_outcome CHECK (outcome IN ('succeeded', 'partial', 'failed', 'canceled', 'timed_out', 'lost', 'refused')),
  CONSTRAINT ck_executions_void_has_no_outcome CHECK (state <> 'void' OR outcome IS NULL),
  CONSTRAINT ck_executions_settled_with_outcome CHECK (outcome IS NULL OR settled_at IS NOT NULL),
  CONSTRAINT fk_executions_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_executions_of_runner ON executions (workspace_id, runner_id) WHERE state IN ('granted', 'running', 'ending');
CREATE UNIQUE INDEX uq_executions_live ON executions (workspace_id, task_id) WHERE state IN ('granted', 'running', 'ending');
CREATE TABLE facts (
  workspace_id TEXT NOT NULL,
  execution_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  kind TEXT NOT NULL,
  fence INTEGER NOT NULL,
  body JSON NOT NULL,
  late BOOLEAN DEFAULT 0 NOT NULL,
  received_at DATETIME NOT NULL,
  CONSTRAINT pk_facts PRIMARY KEY (workspace_id, execution_id, seq),
  CONSTRAINT fk_facts_workspace_id_execution_id FOREIGN KEY(workspace_id, execution_id) REFERENCES executions (workspace_id, id),
  CONSTRAINT ck_facts_kind CHECK (kind IN ('started', 'void', 'report', 'stop', 'artifact', 'exit', 'final')),
  CONSTRAINT fk_facts_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE TABLE said (
  workspace_id TEXT NOT NULL,
  execution_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  outputs JSON NOT NULL,
  summary TEXT NOT NULL,
  summary_cut BOOLEAN DEFAULT 0 NOT NULL,
  annotations JSON NOT NULL,
  counts JSON NOT NULL,
  at DATETIME NOT NULL,
  CONSTRAINT pk_said PRIMARY KEY (workspace_id, execution_id),
  CONSTRAINT fk_said_workspace_id_execution_id FOREIGN KEY(workspace_id, execution_id) REFERENCES executions (workspace_id, id),
  CONSTRAINT fk_said_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE TABLE log_rows (
  workspace_id TEXT NOT NULL,
  execution_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  task_id TEXT NOT NULL,
  log TEXT NOT NULL,
  columns JSON NOT NULL,
  at DATETIME NOT NULL,
  CONSTRAINT pk_log_rows PRIMARY KEY (workspace_id, execution_id, seq),
  CONSTRAINT fk_log_rows_workspace_id_execution_id FOREIGN KEY(workspace_id, execution_id) REFERENCES executions (workspace_id, id),
  CONSTRAINT fk_log_rows_workspace_id_task_id FOREIGN KEY(workspace_id, task_id) REFERENCES tasks (workspace_id, id),
  CONSTRAINT fk_log_rows_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_log_rows_task ON log_rows (workspace_id, task_id, execution_id, seq);
CREATE TABLE late_reports (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  execution_id TEXT NOT NULL,
  seq INTEGER,
  body JSON NOT NULL,
  received_at DATETIME NOT NULL,
  accepted_at DATETIME,
  CONSTRAINT pk_late_reports PRIMARY KEY (workspace_id, id),
  CONSTRAINT fk_late_reports_workspace_id_execution_id FOREIGN KEY(workspace_id, execution_id) REFERENCES executions (workspace_id, id),
  CONSTRAINT fk_late_reports_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_late_reports_workspace_id_execution_id ON late_reports (workspace_id, execution_id);
CREATE TABLE outputs (
  workspace_id TEXT NOT NULL,
  execution_id TEXT NOT NULL,
  bytes INTEGER DEFAULT '0' NOT NULL,
  lines INTEGER DEFAULT '0' NOT NULL,
  sealed_bytes INTEGER DEFAULT '0' NOT NULL,
  sealed_at DATETIME,
  blob_sha256 TEXT,
  index_sha256 TEXT,
  damaged BOOLEAN DEFAULT 0 NOT NULL,
  CONSTRAINT pk_outputs PRIMARY KEY (workspace_id, execution_id),
  CONSTRAINT fk_outputs_workspace_id_execution_id FOREIGN KEY(workspace_id, execution_id) REFERENCES executions (workspace_id, id),
  CONSTRAINT fk_outputs_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE TABLE artifacts (
  workspace_id TEXT NOT NULL,
  id INTEGER NOT NULL,
  task_id TEXT NOT NULL,
  task_number INTEGER NOT NULL,
  execution_id TEXT,
  name TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  size_bytes INTEGER NOT NULL,
  content_type TEXT NOT NULL,
  created_at DATETIME NOT NULL,
  CONSTRAINT pk_artifacts PRIMARY KEY (workspace_id, id),
  CONSTRAINT fk_artifacts_workspace_id_task_id FOREIGN KEY(workspace_id, task_id) REFERENCES tasks (workspace_id, id),
  CONSTRAINT fk_artifacts_workspace_id_execution_id FOREIGN KEY(workspace_id, execution_id) REFERENCES executions (workspace_id, id),
  CONSTRAINT fk_artifacts_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_artifacts_workspace_id_task_number_id ON artifacts (workspace_id, task_number, id);
CREATE TABLE replays (
  workspace_id TEXT NOT NULL,
  execution_id TEXT NOT NULL,
  "key" TEXT NOT NULL,
  mac BLOB NOT NULL,
  status INTEGER NOT NULL,
  body BLOB NOT NULL,
  at DATETIME NOT NULL,
  CONSTRAINT pk_replays PRIMARY KEY (workspace_id, execution_id, "key"),
  CONSTRAINT fk_replays_workspace_id_execution_id FOREIGN KEY(workspace_id, execution_id) REFERENCES executions (workspace_id, id),
  CONSTRAINT fk_replays_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_replays_at ON replays (at);
