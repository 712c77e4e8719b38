"""What a team keeps in git: documents that define automations, queues, triggers, calendars and resources (issue 5).

`yaml_reading` makes documents of a file's text, each value with its line; `yaml_writing` is the way back; `plan` says
in which order documents are applied, and what each changes.
"""
