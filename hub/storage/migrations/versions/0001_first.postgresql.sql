CREATE TABLE meta (
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  CONSTRAINT pk_meta PRIMARY KEY (key)
);
COMMENT ON TABLE meta IS 'facts of this store as a whole: store_id, hub key; no workspace';
CREATE TABLE workspaces (
  id TEXT NOT NULL,
  label TEXT NOT NULL,
  name TEXT NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT pk_workspaces PRIMARY KEY (id),
  CONSTRAINT uq_workspaces_label UNIQUE (label)
);
COMMENT ON TABLE workspaces IS 'the isolation boundary';
CREATE TABLE events (
  id BIGSERIAL NOT NULL,
  pos BIGINT,
  workspace_id TEXT NOT NULL,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  task_id TEXT,
  execution_id TEXT,
  runner_id TEXT,
  actor TEXT NOT NULL,
  "old" TEXT,
  "new" TEXT,
  cause TEXT,
  data JSONB,
  chain BYTEA,
  CONSTRAINT pk_events PRIMARY KEY (id),
  CONSTRAINT uq_events_pos UNIQUE (pos)
);
CREATE INDEX ix_events_unnumbered ON events (id) WHERE pos IS NULL;
CREATE INDEX ix_events_workspace_id_pos ON events (workspace_id, pos);
CREATE INDEX ix_events_workspace_id_task_id_pos ON events (workspace_id, task_id, pos);
COMMENT ON TABLE events IS 'append-only; pos is dense and given after the commit, so no foreign keys: the table can be cut by time';
CREATE TABLE cursors (
  name TEXT NOT NULL,
  pos BIGINT DEFAULT '0' NOT NULL,
  CONSTRAINT pk_cursors PRIMARY KEY (name)
);
COMMENT ON TABLE cursors IS 'how far each reader of the feed got; moved in the reader''s own transaction';
CREATE TABLE tokens (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  name TEXT NOT NULL,
  role TEXT NOT NULL,
  instance BOOLEAN DEFAULT false NOT NULL,
  login TEXT,
  secret_hash TEXT NOT NULL,
  kind TEXT NOT NULL,
  parent_id TEXT,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  expires_at TIMESTAMP WITH TIME ZONE,
  revoked_at TIMESTAMP WITH TIME ZONE,
  last_used_at TIMESTAMP WITH TIME ZONE,
  CONSTRAINT pk_tokens PRIMARY KEY (workspace_id, id),
  CONSTRAINT fk_tokens_workspace_id_parent_id FOREIGN KEY(workspace_id, parent_id) REFERENCES tokens (workspace_id, id),
  CONSTRAINT ck_tokens_role CHECK (role IN ('viewer', 'operator', 'developer', 'admin')),
  CONSTRAINT ck_tokens_kind CHECK (kind IN ('key', 'access')),
  CONSTRAINT fk_tokens_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id),
  CONSTRAINT uq_tokens_login UNIQUE (login),
  CONSTRAINT uq_tokens_secret_hash UNIQUE (secret_hash)
);
COMMENT ON TABLE tokens IS 'API keys, and the access tokens that SDKs get for one; only sha256 (hex) is stored';
CREATE TABLE enrolment_tokens (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  secret_hash TEXT NOT NULL,
  labels JSONB NOT NULL,
  name TEXT,
  created_by TEXT NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
  used_at TIMESTAMP WITH TIME ZONE,
  used_by TEXT,
  CONSTRAINT pk_enrolment_tokens PRIMARY KEY (workspace_id, id),
  CONSTRAINT fk_enrolment_tokens_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id),
  CONSTRAINT uq_enrolment_tokens_secret_hash UNIQUE (secret_hash)
);
COMMENT ON TABLE enrolment_tokens IS 'single use (S1): used_at is set by one guarded UPDATE; used_by is a runner''s id, written before that runner''s row, hence no foreign key';
CREATE TABLE idempotency (
  workspace_id TEXT NOT NULL,
  token_id TEXT NOT NULL,
  key TEXT NOT NULL,
  mac BYTEA NOT NULL,
  status BIGINT NOT NULL,
  body BYTEA NOT NULL,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT pk_idempotency PRIMARY KEY (workspace_id, token_id, key),
  CONSTRAINT fk_idempotency_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_idempotency_at ON idempotency (at);
COMMENT ON TABLE idempotency IS 'answers to API clients'' Idempotency-Key (P11), kept 24 h; the token may belong to another workspace (instance tokens), hence no foreign key';
CREATE TABLE counters (
  workspace_id TEXT NOT NULL,
  name TEXT NOT NULL,
  value BIGINT NOT NULL,
  CONSTRAINT pk_counters PRIMARY KEY (workspace_id, name),
  CONSTRAINT fk_counters_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
COMMENT ON TABLE counters IS 'integers handed out one by one: task numbers, artifact ids';
CREATE TABLE bots (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  name TEXT NOT NULL,
  released_build_id TEXT,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT pk_bots PRIMARY KEY (workspace_id, id),
  CONSTRAINT uq_bots_workspace_id_name UNIQUE (workspace_id, name),
  CONSTRAINT fk_bots_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
COMMENT ON TABLE bots IS 'a named program; released_build_id is the build that new executions get: no foreign key, since builds point here; the row of releases that goes with it has one';
CREATE TABLE blobs (
  workspace_id TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  size_bytes BIGINT NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT pk_blobs PRIMARY KEY (workspace_id, sha256),
  CONSTRAINT fk_blobs_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
COMMENT ON TABLE blobs IS 'which files of the blob store a workspace owns';
CREATE TABLE alerts (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  message TEXT NOT NULL,
  resolved_at TIMESTAMP WITH TIME ZONE,
  CONSTRAINT pk_alerts PRIMARY KEY (workspace_id, id),
  CONSTRAINT fk_alerts_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_alerts_workspace_id_at ON alerts (workspace_id, at);
COMMENT ON TABLE alerts IS 'what a person should look at';
CREATE TABLE runners (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  name TEXT NOT NULL,
  public_key TEXT NOT NULL,
  home_id TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  labels JSONB NOT NULL,
  slots BIGINT NOT NULL,
  state TEXT NOT NULL,
  draining BOOLEAN DEFAULT false NOT NULL,
  session_epoch BIGINT,
  last_epoch BIGINT DEFAULT '0' NOT NULL,
  hub_id TEXT,
  join_counter BIGINT DEFAULT '0' NOT NULL,
  boot_id TEXT,
  unreachable_since TIMESTAMP WITH TIME ZONE,
  quarantined_at TIMESTAMP WITH TIME ZONE,
  commit_position BIGINT DEFAULT '0' NOT NULL,
  agent_version TEXT,
  platform JSONB,
  connected_at TIMESTAMP WITH TIME ZONE,
  last_seen_at TIMESTAMP WITH TIME ZONE,
  revoked_at TIMESTAMP WITH TIME ZONE,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT pk_runners PRIMARY KEY (workspace_id, id),
  CONSTRAINT uq_runners_workspace_id_name UNIQUE (workspace_id, name),
  CONSTRAINT ck_runners_state CHECK (state IN ('enrolled', 'revoked')),
  CONSTRAINT ck_runners_slots_positive CHECK (slots >= 1),
  CONSTRAINT ck_runners_epoch_of_session CHECK (session_epoch IS NULL OR session_epoch = last_epoch),
  CONSTRAINT ck_runners_session_has_hub CHECK (session_epoch IS NULL OR hub_id IS NOT NULL),
  CONSTRAINT fk_runners_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_runners_live ON runners (hub_id, session_epoch);
COMMENT ON TABLE runners IS 'an enrolled agent; session_epoch is NULL while it has no session, last_epoch only grows';
CREATE TABLE label_sets (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  needs JSONB NOT NULL,
  digest TEXT NOT NULL,
  CONSTRAINT pk_label_sets PRIMARY KEY (workspace_id, id),
  CONSTRAINT uq_label_sets_workspace_id_digest UNIQUE (workspace_id, digest),
  CONSTRAINT fk_label_sets_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
COMMENT ON TABLE label_sets IS 'the distinct needs of automations: placement never multiplies tasks by runners';
CREATE TABLE builds (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  bot_id TEXT NOT NULL,
  version TEXT NOT NULL,
  digest TEXT NOT NULL,
  state TEXT NOT NULL,
  kind TEXT,
  launch JSONB,
  lock_digest TEXT,
  python TEXT,
  size_bytes BIGINT DEFAULT '0' NOT NULL,
  file_count BIGINT DEFAULT '0' NOT NULL,
  problem TEXT,
  created_by TEXT NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  ready_at TIMESTAMP WITH TIME ZONE,
  CONSTRAINT pk_builds PRIMARY KEY (workspace_id, id),
  CONSTRAINT uq_builds_workspace_id_bot_id_version UNIQUE (workspace_id, bot_id, version),
  CONSTRAINT fk_builds_workspace_id_bot_id FOREIGN KEY(workspace_id, bot_id) REFERENCES bots (workspace_id, id),
  CONSTRAINT ck_builds_state CHECK (state IN ('received', 'resolving', 'ready', 'rejected')),
  CONSTRAINT ck_builds_ready_is_launchable CHECK (state <> 'ready' OR (kind IS NOT NULL AND launch IS NOT NULL)),
  CONSTRAINT fk_builds_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_builds_unfinished ON builds (created_at) WHERE state IN ('received', 'resolving');
CREATE INDEX ix_builds_workspace_id_digest ON builds (workspace_id, digest);
COMMENT ON TABLE builds IS 'one immutable version of a bot; digest is the sha256 (hex) of its manifest';
CREATE TABLE runner_sessions (
  workspace_id TEXT NOT NULL,
  runner_id TEXT NOT NULL,
  epoch BIGINT NOT NULL,
  home_id TEXT NOT NULL,
  hub_id TEXT NOT NULL,
  opened_at TIMESTAMP WITH TIME ZONE NOT NULL,
  closed_at TIMESTAMP WITH TIME ZONE,
  close_reason TEXT,
  CONSTRAINT pk_runner_sessions PRIMARY KEY (workspace_id, runner_id, epoch),
  CONSTRAINT fk_runner_sessions_workspace_id_runner_id FOREIGN KEY(workspace_id, runner_id) REFERENCES runners (workspace_id, id),
  CONSTRAINT fk_runner_sessions_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_runner_sessions_open ON runner_sessions (hub_id) WHERE closed_at IS NULL;
COMMENT ON TABLE runner_sessions IS 'the row (runner, home id, hub, epoch) of each connection that a hub welcomed';
CREATE TABLE automations (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  label TEXT NOT NULL,
  name TEXT NOT NULL,
  description TEXT DEFAULT '' NOT NULL,
  bot_id TEXT NOT NULL,
  parameters JSONB NOT NULL,
  label_set_id TEXT NOT NULL,
  priority BIGINT DEFAULT '5' NOT NULL,
  report TEXT DEFAULT 'default' NOT NULL,
  on_disconnect TEXT DEFAULT 'keep' NOT NULL,
  lost_after_s BIGINT DEFAULT '600' NOT NULL,
  run_limit_s BIGINT DEFAULT '86400',
  limits JSONB,
  retry JSONB,
  state TEXT DEFAULT 'active' NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
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
COMMENT ON TABLE automations IS 'what can be asked for: a bot, its parameters, its needs and its policies';
CREATE TABLE releases (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  bot_id TEXT NOT NULL,
  build_id TEXT NOT NULL,
  released_by TEXT NOT NULL,
  released_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT pk_releases PRIMARY KEY (workspace_id, id),
  CONSTRAINT fk_releases_workspace_id_bot_id FOREIGN KEY(workspace_id, bot_id) REFERENCES bots (workspace_id, id),
  CONSTRAINT fk_releases_workspace_id_build_id FOREIGN KEY(workspace_id, build_id) REFERENCES builds (workspace_id, id),
  CONSTRAINT fk_releases_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_releases_workspace_id_bot_id_released_at ON releases (workspace_id, bot_id, released_at);
COMMENT ON TABLE releases IS 'which build of a bot went live when, and by whom';
CREATE TABLE preparations (
  workspace_id TEXT NOT NULL,
  runner_id TEXT NOT NULL,
  build_id TEXT NOT NULL,
  state TEXT NOT NULL,
  progress DOUBLE PRECISION DEFAULT '0' NOT NULL,
  message TEXT,
  permanent BOOLEAN DEFAULT false NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT pk_preparations PRIMARY KEY (workspace_id, runner_id, build_id),
  CONSTRAINT fk_preparations_workspace_id_runner_id FOREIGN KEY(workspace_id, runner_id) REFERENCES runners (workspace_id, id),
  CONSTRAINT fk_preparations_workspace_id_build_id FOREIGN KEY(workspace_id, build_id) REFERENCES builds (workspace_id, id),
  CONSTRAINT ck_preparations_state CHECK (state IN ('wanted', 'fetching', 'installing', 'prepared', 'failed')),
  CONSTRAINT fk_preparations_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_preparations_workspace_id_build_id_state ON preparations (workspace_id, build_id, state);
COMMENT ON TABLE preparations IS 'where a build is prepared: desired state, not a phase of an execution (core.md §1)';
CREATE TABLE tasks (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  number BIGINT NOT NULL,
  round BIGINT DEFAULT '1' NOT NULL,
  automation_id TEXT NOT NULL,
  bot_id TEXT NOT NULL,
  label_set_id TEXT NOT NULL,
  state TEXT NOT NULL,
  priority BIGINT DEFAULT '5' NOT NULL,
  not_before TIMESTAMP WITH TIME ZONE,
  parameters JSONB NOT NULL,
  test BOOLEAN DEFAULT false NOT NULL,
  fence BIGINT DEFAULT '0' NOT NULL,
  cancel_requested_at TIMESTAMP WITH TIME ZONE,
  cancel_requested_by TEXT,
  forced_cancel_at TIMESTAMP WITH TIME ZONE,
  interrupt_requested_at TIMESTAMP WITH TIME ZONE,
  kill_requested_at TIMESTAMP WITH TIME ZONE,
  kill_requested_by TEXT,
  reported_at TIMESTAMP WITH TIME ZONE,
  outcome TEXT,
  reason TEXT,
  flags JSONB,
  message TEXT,
  total BIGINT,
  processed BIGINT,
  failed BIGINT,
  exit_code BIGINT,
  build_id TEXT,
  runner_id TEXT,
  created_by TEXT NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
  started_at TIMESTAMP WITH TIME ZONE,
  ended_at TIMESTAMP WITH TIME ZONE,
  settled_at TIMESTAMP WITH TIME ZONE,
  next_task_id TEXT,
  restart_of TEXT,
  held TEXT,
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
  CONSTRAINT ck_tasks_priority_range CHECK (priority BETWEEN 0 AND 10),
  CONSTRAINT ck_tasks_round_positive CHECK (round >= 1),
  CONSTRAINT ck_tasks_fence_positive CHECK (fence >= 0),
  CONSTRAINT ck_tasks_finished_has_outcome CHECK ((state = 'finished') = (outcome IS NOT NULL)),
  CONSTRAINT ck_tasks_finished_is_settled CHECK ((state = 'finished') = (settled_at IS NOT NULL)),
  CONSTRAINT fk_tasks_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_tasks_automation ON tasks (workspace_id, automation_id, created_at DESC);
CREATE INDEX ix_tasks_claim ON tasks (workspace_id, label_set_id, bot_id, priority DESC, created_at, id) WHERE state = 'queued';
CREATE INDEX ix_tasks_due ON tasks (not_before) WHERE state = 'waiting';
CREATE INDEX ix_tasks_newest ON tasks (workspace_id, created_at DESC, id DESC);
CREATE UNIQUE INDEX uq_tasks_unfinished ON tasks (workspace_id, number) WHERE state <> 'finished';
COMMENT ON TABLE tasks IS 'one request to run an automation; number is BotCity''s task id, round its restart';
CREATE TABLE amendments (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  task_id TEXT NOT NULL,
  status TEXT NOT NULL,
  message TEXT,
  total BIGINT,
  processed BIGINT,
  failed BIGINT,
  amended_by TEXT NOT NULL,
  amended_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT pk_amendments PRIMARY KEY (workspace_id, id),
  CONSTRAINT fk_amendments_workspace_id_task_id FOREIGN KEY(workspace_id, task_id) REFERENCES tasks (workspace_id, id),
  CONSTRAINT fk_amendments_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_amendments_workspace_id_task_id_amended_at ON amendments (workspace_id, task_id, amended_at);
COMMENT ON TABLE amendments IS 'what a person said of a task after its settlement; fires nothing';
CREATE TABLE executions (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  task_id TEXT NOT NULL,
  runner_id TEXT NOT NULL,
  home_id TEXT NOT NULL,
  build_id TEXT NOT NULL,
  build_digest TEXT NOT NULL,
  fence BIGINT NOT NULL,
  state TEXT NOT NULL,
  epoch BIGINT NOT NULL,
  slot BIGINT NOT NULL,
  generation BIGINT NOT NULL,
  on_disconnect TEXT NOT NULL,
  lost_after_s BIGINT NOT NULL,
  granted_at TIMESTAMP WITH TIME ZONE NOT NULL,
  queried_at TIMESTAMP WITH TIME ZONE,
  sent_at TIMESTAMP WITH TIME ZONE,
  started_at TIMESTAMP WITH TIME ZONE,
  ended_at TIMESTAMP WITH TIME ZONE,
  settled_at TIMESTAMP WITH TIME ZONE,
  exit_code BIGINT,
  exit_signal BIGINT,
  exit_reason TEXT,
  report JSONB,
  report_seq BIGINT,
  reported_at TIMESTAMP WITH TIME ZONE,
  stop_cause TEXT,
  stop_seq BIGINT,
  stop_asked_at TIMESTAMP WITH TIME ZONE,
  stop_asked_cause TEXT,
  limits JSONB,
  limits_changed_at TIMESTAMP WITH TIME ZONE,
  void_reason TEXT,
  last_fact BIGINT DEFAULT '0' NOT NULL,
  output_bytes BIGINT DEFAULT '0' NOT NULL,
  output_lines BIGINT DEFAULT '0' NOT NULL,
  output_sha256 TEXT,
  output_state TEXT DEFAULT 'none' NOT NULL,
  gaps JSONB,
  progress_percent DOUBLE PRECISION,
  progress_text TEXT,
  progress_at TIMESTAMP WITH TIME ZONE,
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
COMMENT ON TABLE executions IS 'one attempt of a task on one runner; a grant is a new row, void is never started';
CREATE TABLE facts (
  workspace_id TEXT NOT NULL,
  execution_id TEXT NOT NULL,
  seq BIGINT NOT NULL,
  kind TEXT NOT NULL,
  fence BIGINT NOT NULL,
  body JSONB NOT NULL,
  late BOOLEAN DEFAULT false NOT NULL,
  received_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT pk_facts PRIMARY KEY (workspace_id, execution_id, seq),
  CONSTRAINT fk_facts_workspace_id_execution_id FOREIGN KEY(workspace_id, execution_id) REFERENCES executions (workspace_id, id),
  CONSTRAINT ck_facts_kind CHECK (kind IN ('started', 'void', 'report', 'stop', 'artifact', 'exit', 'final')),
  CONSTRAINT fk_facts_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
COMMENT ON TABLE facts IS 'the one ordered stream of an execution (G4), less what stands in `said` and `log_rows`, by the same seq';
CREATE TABLE said (
  workspace_id TEXT NOT NULL,
  execution_id TEXT NOT NULL,
  seq BIGINT NOT NULL,
  outputs JSONB NOT NULL,
  summary TEXT NOT NULL,
  summary_cut BOOLEAN DEFAULT false NOT NULL,
  annotations JSONB NOT NULL,
  counts JSONB NOT NULL,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT pk_said PRIMARY KEY (workspace_id, execution_id),
  CONSTRAINT fk_said_workspace_id_execution_id FOREIGN KEY(workspace_id, execution_id) REFERENCES executions (workspace_id, id),
  CONSTRAINT fk_said_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
COMMENT ON TABLE said IS 'what a bot said of its work beside a report: a fact of its own; outputs are pairs, in their order';
CREATE TABLE log_rows (
  workspace_id TEXT NOT NULL,
  execution_id TEXT NOT NULL,
  seq BIGINT NOT NULL,
  task_id TEXT NOT NULL,
  log TEXT NOT NULL,
  columns JSONB NOT NULL,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT pk_log_rows PRIMARY KEY (workspace_id, execution_id, seq),
  CONSTRAINT fk_log_rows_workspace_id_execution_id FOREIGN KEY(workspace_id, execution_id) REFERENCES executions (workspace_id, id),
  CONSTRAINT fk_log_rows_workspace_id_task_id FOREIGN KEY(workspace_id, task_id) REFERENCES tasks (workspace_id, id),
  CONSTRAINT fk_log_rows_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_log_rows_task ON log_rows (workspace_id, task_id, execution_id, seq);
COMMENT ON TABLE log_rows IS 'rows of record logs, each a fact of its own; columns are pairs, in their order';
CREATE TABLE late_reports (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  execution_id TEXT NOT NULL,
  seq BIGINT,
  body JSONB NOT NULL,
  received_at TIMESTAMP WITH TIME ZONE NOT NULL,
  accepted_at TIMESTAMP WITH TIME ZONE,
  CONSTRAINT pk_late_reports PRIMARY KEY (workspace_id, id),
  CONSTRAINT fk_late_reports_workspace_id_execution_id FOREIGN KEY(workspace_id, execution_id) REFERENCES executions (workspace_id, id),
  CONSTRAINT fk_late_reports_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_late_reports_workspace_id_execution_id ON late_reports (workspace_id, execution_id);
COMMENT ON TABLE late_reports IS 'reports that came after the settlement; a person may accept one (= amendment)';
CREATE TABLE outputs (
  workspace_id TEXT NOT NULL,
  execution_id TEXT NOT NULL,
  bytes BIGINT DEFAULT '0' NOT NULL,
  lines BIGINT DEFAULT '0' NOT NULL,
  sealed_bytes BIGINT DEFAULT '0' NOT NULL,
  sealed_at TIMESTAMP WITH TIME ZONE,
  blob_sha256 TEXT,
  index_sha256 TEXT,
  damaged BOOLEAN DEFAULT false NOT NULL,
  CONSTRAINT pk_outputs PRIMARY KEY (workspace_id, execution_id),
  CONSTRAINT fk_outputs_workspace_id_execution_id FOREIGN KEY(workspace_id, execution_id) REFERENCES executions (workspace_id, id),
  CONSTRAINT fk_outputs_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
COMMENT ON TABLE outputs IS 'counters and sealed segments of an output; the bytes are in files, never in rows';
CREATE TABLE artifacts (
  workspace_id TEXT NOT NULL,
  id BIGINT NOT NULL,
  task_id TEXT NOT NULL,
  task_number BIGINT NOT NULL,
  execution_id TEXT,
  name TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  size_bytes BIGINT NOT NULL,
  content_type TEXT NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT pk_artifacts PRIMARY KEY (workspace_id, id),
  CONSTRAINT fk_artifacts_workspace_id_task_id FOREIGN KEY(workspace_id, task_id) REFERENCES tasks (workspace_id, id),
  CONSTRAINT fk_artifacts_workspace_id_execution_id FOREIGN KEY(workspace_id, execution_id) REFERENCES executions (workspace_id, id),
  CONSTRAINT fk_artifacts_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_artifacts_workspace_id_task_number_id ON artifacts (workspace_id, task_number, id);
COMMENT ON TABLE artifacts IS 'result files; ids are small integers per workspace (BotCity''s)';
CREATE TABLE replays (
  workspace_id TEXT NOT NULL,
  execution_id TEXT NOT NULL,
  key TEXT NOT NULL,
  mac BYTEA NOT NULL,
  status BIGINT NOT NULL,
  body BYTEA NOT NULL,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT pk_replays PRIMARY KEY (workspace_id, execution_id, key),
  CONSTRAINT fk_replays_workspace_id_execution_id FOREIGN KEY(workspace_id, execution_id) REFERENCES executions (workspace_id, id),
  CONSTRAINT fk_replays_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_replays_at ON replays (at);
COMMENT ON TABLE replays IS 'answers to forwarded gateway calls (core.md §6), kept 1 h; never ones with secrets';
