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
CREATE TABLE resources (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  label TEXT NOT NULL,
  name TEXT NOT NULL,
  description TEXT DEFAULT '' NOT NULL,
  capacity BIGINT NOT NULL,
  accounts JSONB,
  turn BIGINT DEFAULT '0' NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT pk_resources PRIMARY KEY (workspace_id, id),
  CONSTRAINT uq_resources_workspace_id_label UNIQUE (workspace_id, label),
  CONSTRAINT ck_resources_capacity_positive CHECK (capacity >= 0),
  CONSTRAINT fk_resources_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
COMMENT ON TABLE resources IS 'something of which there is only so much: licences, accounts, sessions of an application';
CREATE TABLE breakers (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  label TEXT NOT NULL,
  state TEXT DEFAULT 'closed' NOT NULL,
  policy JSONB NOT NULL,
  failed_in_a_row BIGINT DEFAULT '0' NOT NULL,
  openings BIGINT DEFAULT '0' NOT NULL,
  opened_at TIMESTAMP WITH TIME ZONE,
  probe_at TIMESTAMP WITH TIME ZONE,
  why TEXT,
  item_id TEXT,
  probes_out BIGINT DEFAULT '0' NOT NULL,
  probes_passed BIGINT DEFAULT '0' NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT pk_breakers PRIMARY KEY (workspace_id, id),
  CONSTRAINT uq_breakers_workspace_id_label UNIQUE (workspace_id, label),
  CONSTRAINT ck_breakers_state CHECK (state IN ('closed', 'open', 'half_open')),
  CONSTRAINT fk_breakers_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_breakers_timed ON breakers (probe_at) WHERE probe_at IS NOT NULL;
COMMENT ON TABLE breakers IS 'one for each application that items need: open while it is out of order';
CREATE TABLE queues (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  label TEXT NOT NULL,
  name TEXT NOT NULL,
  description TEXT DEFAULT '' NOT NULL,
  fields JSONB NOT NULL,
  schema JSONB,
  consumption TEXT DEFAULT 'fifo' NOT NULL,
  state TEXT DEFAULT 'active' NOT NULL,
  paused_why TEXT,
  concurrency BIGINT,
  retry JSONB NOT NULL,
  lease_s BIGINT DEFAULT '900' NOT NULL,
  expected_s BIGINT,
  retention_days BIGINT,
  success_queue_id TEXT,
  failure_queue_id TEXT,
  unique_references BOOLEAN DEFAULT false NOT NULL,
  stop_after BIGINT,
  failed_in_a_row BIGINT DEFAULT '0' NOT NULL,
  target TEXT,
  stock TEXT DEFAULT 'none' NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
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
COMMENT ON TABLE queues IS 'where items wait; target: the application whose breaker guards them; stock: what the feed was told last';
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
  quarantine_reason TEXT,
  failed_in_a_row BIGINT DEFAULT '0' NOT NULL,
  failing JSONB,
  benched_at TIMESTAMP WITH TIME ZONE,
  drain_reason TEXT,
  drained_by TEXT,
  drained_at TIMESTAMP WITH TIME ZONE,
  shown_at TIMESTAMP WITH TIME ZONE,
  agent_version TEXT,
  platform JSONB,
  condition JSONB,
  faults_told JSONB,
  condition_at TIMESTAMP WITH TIME ZONE,
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
CREATE TABLE calendars (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  label TEXT NOT NULL,
  name TEXT NOT NULL,
  definition JSONB NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT pk_calendars PRIMARY KEY (workspace_id, id),
  CONSTRAINT uq_calendars_workspace_id_label UNIQUE (workspace_id, label),
  CONSTRAINT fk_calendars_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
COMMENT ON TABLE calendars IS 'days on which nothing is due: a country''s holidays, weekends, and own days';
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
CREATE TABLE windows (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  runner_id TEXT NOT NULL,
  starts_at TIMESTAMP WITH TIME ZONE NOT NULL,
  ends_at TIMESTAMP WITH TIME ZONE NOT NULL,
  reason TEXT NOT NULL,
  created_by TEXT NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT pk_windows PRIMARY KEY (workspace_id, id),
  CONSTRAINT fk_windows_workspace_id_runner_id FOREIGN KEY(workspace_id, runner_id) REFERENCES runners (workspace_id, id),
  CONSTRAINT ck_windows_ends_later CHECK (ends_at > starts_at),
  CONSTRAINT fk_windows_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_windows_workspace_id_runner_id_ends_at ON windows (workspace_id, runner_id, ends_at);
COMMENT ON TABLE windows IS 'maintenance: from when until when a runner gets no work';
CREATE TABLE items (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  queue_id TEXT NOT NULL,
  state TEXT NOT NULL,
  payload JSONB NOT NULL,
  priority BIGINT DEFAULT '5' NOT NULL,
  rank BIGINT NOT NULL,
  reference TEXT,
  unique_key TEXT,
  not_before TIMESTAMP WITH TIME ZONE,
  deadline TIMESTAMP WITH TIME ZONE NOT NULL,
  tags JSONB,
  tries BIGINT DEFAULT '0' NOT NULL,
  attempts BIGINT DEFAULT '0' NOT NULL,
  crashes BIGINT DEFAULT '0' NOT NULL,
  fence BIGINT DEFAULT '0' NOT NULL,
  lease_until TIMESTAMP WITH TIME ZONE,
  taken_at TIMESTAMP WITH TIME ZONE,
  holder TEXT,
  execution_id TEXT,
  task_id TEXT,
  runner_id TEXT,
  avoid_runner_id TEXT,
  progress JSONB,
  error_class TEXT,
  message TEXT,
  result JSONB,
  source_id TEXT,
  batch_id TEXT,
  created_by TEXT NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
  finished_at TIMESTAMP WITH TIME ZONE,
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
COMMENT ON TABLE items IS 'a piece of work; deadline is far away where there is none, rank falls with time where the queue is LIFO';
CREATE TABLE batches (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  queue_id TEXT NOT NULL,
  state TEXT NOT NULL,
  items BIGINT DEFAULT '0' NOT NULL,
  created_by TEXT NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT pk_batches PRIMARY KEY (workspace_id, id),
  CONSTRAINT fk_batches_workspace_id_queue_id FOREIGN KEY(workspace_id, queue_id) REFERENCES queues (workspace_id, id),
  CONSTRAINT ck_batches_state CHECK (state IN ('open', 'visible')),
  CONSTRAINT fk_batches_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
COMMENT ON TABLE batches IS 'items put in by slices, which one last write makes visible; one that is left open is removed';
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
  concurrency BIGINT,
  concurrency_key TEXT,
  rate JSONB,
  uses JSONB,
  desktop JSONB,
  turn BIGINT DEFAULT '0' NOT NULL,
  state TEXT DEFAULT 'active' NOT NULL,
  paused_why TEXT,
  stopped_at TIMESTAMP WITH TIME ZONE,
  failed_in_a_row BIGINT DEFAULT '0' NOT NULL,
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
  succeeded_at TIMESTAMP WITH TIME ZONE,
  updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT pk_preparations PRIMARY KEY (workspace_id, runner_id, build_id),
  CONSTRAINT fk_preparations_workspace_id_runner_id FOREIGN KEY(workspace_id, runner_id) REFERENCES runners (workspace_id, id),
  CONSTRAINT fk_preparations_workspace_id_build_id FOREIGN KEY(workspace_id, build_id) REFERENCES builds (workspace_id, id),
  CONSTRAINT ck_preparations_state CHECK (state IN ('wanted', 'fetching', 'installing', 'prepared', 'failed')),
  CONSTRAINT fk_preparations_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_preparations_workspace_id_build_id_state ON preparations (workspace_id, build_id, state);
COMMENT ON TABLE preparations IS 'where a build is prepared: desired state, not a phase of an execution (core.md §1)';
CREATE TABLE attempts (
  workspace_id TEXT NOT NULL,
  item_id TEXT NOT NULL,
  number BIGINT NOT NULL,
  fence BIGINT NOT NULL,
  holder TEXT NOT NULL,
  execution_id TEXT,
  task_id TEXT,
  runner_id TEXT,
  taken_at TIMESTAMP WITH TIME ZONE NOT NULL,
  ended_at TIMESTAMP WITH TIME ZONE NOT NULL,
  outcome TEXT NOT NULL,
  error_class TEXT,
  message TEXT,
  is_counted BOOLEAN NOT NULL,
  progress JSONB,
  CONSTRAINT pk_attempts PRIMARY KEY (workspace_id, item_id, number),
  CONSTRAINT fk_attempts_workspace_id_item_id FOREIGN KEY(workspace_id, item_id) REFERENCES items (workspace_id, id),
  CONSTRAINT ck_attempts_outcome CHECK (outcome IN ('done', 'failed', 'timed_out', 'crashed', 'returned', 'in_review', 'canceled')),
  CONSTRAINT ck_attempts_error_class CHECK (error_class IN ('business', 'application', 'system')),
  CONSTRAINT fk_attempts_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_attempts_workspace_id_execution_id ON attempts (workspace_id, execution_id);
COMMENT ON TABLE attempts IS 'one handing out of an item, written when it ended and never changed';
CREATE TABLE item_files (
  workspace_id TEXT NOT NULL,
  item_id TEXT NOT NULL,
  name TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  size_bytes BIGINT NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT pk_item_files PRIMARY KEY (workspace_id, item_id, name),
  CONSTRAINT fk_item_files_workspace_id_item_id FOREIGN KEY(workspace_id, item_id) REFERENCES items (workspace_id, id),
  CONSTRAINT fk_item_files_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
COMMENT ON TABLE item_files IS 'files that belong to an item''s payload';
CREATE TABLE side_effects (
  workspace_id TEXT NOT NULL,
  item_id TEXT NOT NULL,
  effect_key TEXT NOT NULL,
  state TEXT NOT NULL,
  fence BIGINT NOT NULL,
  result JSONB,
  message TEXT,
  actor TEXT NOT NULL,
  intended_at TIMESTAMP WITH TIME ZONE NOT NULL,
  settled_at TIMESTAMP WITH TIME ZONE,
  CONSTRAINT pk_side_effects PRIMARY KEY (workspace_id, item_id, effect_key),
  CONSTRAINT fk_side_effects_workspace_id_item_id FOREIGN KEY(workspace_id, item_id) REFERENCES items (workspace_id, id),
  CONSTRAINT ck_side_effects_state CHECK (state IN ('intended', 'done', 'not_done')),
  CONSTRAINT fk_side_effects_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
COMMENT ON TABLE side_effects IS 'what an item does outside: intended, then done or not; intended by an ended attempt is unknown';
CREATE TABLE triggers (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  label TEXT NOT NULL,
  name TEXT NOT NULL,
  kind TEXT NOT NULL,
  automation_id TEXT NOT NULL,
  definition JSONB NOT NULL,
  parameters JSONB NOT NULL,
  queue_id TEXT,
  calendar_id TEXT,
  state TEXT DEFAULT 'active' NOT NULL,
  off_why TEXT,
  failed_in_a_row BIGINT DEFAULT '0' NOT NULL,
  next_at TIMESTAMP WITH TIME ZONE,
  considered_at TIMESTAMP WITH TIME ZONE,
  event_pos BIGINT,
  secret TEXT,
  runner TEXT,
  watched_revision TEXT,
  watched_at TIMESTAMP WITH TIME ZONE,
  trouble TEXT,
  trouble_since TIMESTAMP WITH TIME ZONE,
  created_by TEXT NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
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
COMMENT ON TABLE triggers IS 'what makes tasks of an automation; moments up to considered_at were fired or passed over';
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
  ranked_at TIMESTAMP WITH TIME ZONE NOT NULL,
  holding BOOLEAN DEFAULT false NOT NULL,
  limit_key TEXT,
  after TEXT,
  open_prerequisites BIGINT DEFAULT '0' NOT NULL,
  awaited BOOLEAN DEFAULT false NOT NULL,
  tries JSONB,
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
COMMENT ON TABLE tasks IS 'one request to run an automation; number is BotCity''s task id, round its restart';
CREATE TABLE retries (
  workspace_id TEXT NOT NULL,
  automation_id TEXT NOT NULL,
  task_id TEXT NOT NULL,
  fence BIGINT NOT NULL,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT pk_retries PRIMARY KEY (workspace_id, task_id, fence),
  CONSTRAINT fk_retries_workspace_id_automation_id FOREIGN KEY(workspace_id, automation_id) REFERENCES automations (workspace_id, id),
  CONSTRAINT fk_retries_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_retries_workspace_id_automation_id_at ON retries (workspace_id, automation_id, at);
COMMENT ON TABLE retries IS 'tries again of the last hour, for an automation''s budget (R60); older ones are removed';
CREATE TABLE holds (
  workspace_id TEXT NOT NULL,
  limit_key TEXT NOT NULL,
  task_id TEXT NOT NULL,
  units BIGINT NOT NULL,
  account TEXT,
  since TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT pk_holds PRIMARY KEY (workspace_id, limit_key, task_id),
  CONSTRAINT fk_holds_workspace_id_task_id FOREIGN KEY(workspace_id, task_id) REFERENCES tasks (workspace_id, id),
  CONSTRAINT fk_holds_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_holds_workspace_id_task_id ON holds (workspace_id, task_id);
CREATE UNIQUE INDEX uq_holds_account ON holds (workspace_id, limit_key, account) WHERE account IS NOT NULL;
COMMENT ON TABLE holds IS 'what a running task has of a limit; gone with its permit';
CREATE TABLE starts (
  workspace_id TEXT NOT NULL,
  limit_key TEXT NOT NULL,
  task_id TEXT NOT NULL,
  fence BIGINT NOT NULL,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT pk_starts PRIMARY KEY (workspace_id, limit_key, task_id, fence),
  CONSTRAINT fk_starts_workspace_id_task_id FOREIGN KEY(workspace_id, task_id) REFERENCES tasks (workspace_id, id),
  CONSTRAINT fk_starts_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_starts_workspace_id_limit_key_at ON starts (workspace_id, limit_key, at);
CREATE INDEX ix_starts_workspace_id_task_id ON starts (workspace_id, task_id);
COMMENT ON TABLE starts IS 'orders given under a limit of so many a minute; those that fell out of the time are deleted';
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
COMMENT ON TABLE prerequisites IS 'which tasks a task waits for; outcome is that task''s, once it has one';
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
CREATE TABLE firings (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  trigger_id TEXT NOT NULL,
  cause_key TEXT NOT NULL,
  scheduled_for TIMESTAMP WITH TIME ZONE,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  outcome TEXT NOT NULL,
  why TEXT DEFAULT '' NOT NULL,
  task_id TEXT,
  depth BIGINT DEFAULT '0' NOT NULL,
  CONSTRAINT pk_firings PRIMARY KEY (workspace_id, id),
  CONSTRAINT uq_firings_workspace_id_trigger_id_cause_key UNIQUE (workspace_id, trigger_id, cause_key),
  CONSTRAINT fk_firings_workspace_id_trigger_id FOREIGN KEY(workspace_id, trigger_id) REFERENCES triggers (workspace_id, id),
  CONSTRAINT ck_firings_outcome CHECK (outcome IN ('fired', 'skipped', 'failed')),
  CONSTRAINT fk_firings_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_firings_workspace_id_trigger_id_at ON firings (workspace_id, trigger_id, at);
COMMENT ON TABLE firings IS 'what a trigger did and why; each cause (moment, request, file) is unique, so that none fires twice (R62)';
CREATE TABLE awaited (
  workspace_id TEXT NOT NULL,
  trigger_id TEXT NOT NULL,
  about TEXT NOT NULL,
  since TIMESTAMP WITH TIME ZONE NOT NULL,
  due_at TIMESTAMP WITH TIME ZONE NOT NULL,
  event JSONB NOT NULL,
  is_told BOOLEAN DEFAULT false NOT NULL,
  CONSTRAINT pk_awaited PRIMARY KEY (workspace_id, trigger_id, about),
  CONSTRAINT fk_awaited_workspace_id_trigger_id FOREIGN KEY(workspace_id, trigger_id) REFERENCES triggers (workspace_id, id),
  CONSTRAINT fk_awaited_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
CREATE INDEX ix_awaited_workspace_id_trigger_id_due_at ON awaited (workspace_id, trigger_id, due_at);
COMMENT ON TABLE awaited IS 'what an event began and a trigger waits for to last; one that has fired stays until it ends';
CREATE TABLE trigger_files (
  workspace_id TEXT NOT NULL,
  trigger_id TEXT NOT NULL,
  identity TEXT NOT NULL,
  device TEXT NOT NULL,
  path TEXT NOT NULL,
  seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT pk_trigger_files PRIMARY KEY (workspace_id, trigger_id, identity, device),
  CONSTRAINT fk_trigger_files_workspace_id_trigger_id FOREIGN KEY(workspace_id, trigger_id) REFERENCES triggers (workspace_id, id),
  CONSTRAINT fk_trigger_files_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
COMMENT ON TABLE trigger_files IS 'files that a trigger was told of and that are settled; forgotten long after they are gone (R65)';
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
