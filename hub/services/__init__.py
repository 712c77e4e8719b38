"""Use cases: one function each, over one transaction, with effects returned as data (`core.md` §5)."""
