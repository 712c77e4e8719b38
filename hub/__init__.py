"""The hub: holds the work, hands it to connected runners, keeps the truth."""
