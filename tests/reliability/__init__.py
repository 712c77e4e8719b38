"""The reliability campaign: `python -m tests.reliability --help` (`reliability.md` §4, T1-T6, T8).

A part is a module with `run(options: Options) -> PartResult` (part.py), named in parts.py. It ends within
`options.deadline`, says how far it is by `options.say`, keeps what helps to understand a failure in `options.folder`,
and never raises for a promise that was broken: that is a `Failure`. What the machine cannot do is a `Skip`.
CI runs small shares of the same functions (`tests/fault`, `tests/simulation`).
"""
