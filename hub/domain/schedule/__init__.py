"""When something is due: cron lines, intervals, phrases; in a zone, between two moments, with regard to a calendar.

`rule.py` is what cron lines (`cron.py`) and phrases (`phrases.py`) come down to: days, and times of day. `zones.py`
knows what clocks do when they change. `schedule.py` brings them together: `next_after`. `definition.py` reads one as
people write it and tells every fault; `misfire.py` decides what happens with moments that nobody was there for.
"""
