"""Histories: what happened, as one list of events, and the checker that judges it (`reliability.md` T2).

Simulator (T1), hypothesis machine (T3) and tests with real processes (T5, T6) write the same events, so one checker
judges all of them. It knows nothing of our code: what a bot did is told by witnesses outside of it.

    from tests.history.recorder import Recorder
    from tests.history.checker import check

    history = Recorder(clock)                    # any clock that tells seconds; one for the whole history
    history.add(Acked, task="tsk_1")             # stamps the event with the clock's time
    ...
    history.add(Closed)                          # all healed and enough time gone: C1, C4 and C11 judge the end too
    verdict = check(history.events)
    assert verdict.is_good, verdict.text()       # each violation names rule, events and ids
    history.save(path)                           # JSON lines; `load(path)` reads them

Who says what:

| event | who witnesses it |
|---|---|
| `acked`, `cancel_asked`, `finish_asked`, `released`, `seen`, `gone`, `stored` | a client, at each answer |
| `granted`, `voided`, `settled` | the hub's event feed or database, after its COMMIT |
| `started`, `wrote`, `reported`, `stopped`, `ended` | the bot itself or the simulated host: never our own code |
| `fault`, `healed`, `closed` | the test that does it |
| `searched`, `secret_found`, `left`, `bound` | the test, looking at the end |

- A `seen` is written at every look, as often as there are looks: C6 compares them.
- `wrote` is cumulative: the first `length` bytes that the bot wrote to that stream have this sha256. Several of them
  make several prefixes known; the longest is all that it wrote. With `data` the checker can judge holes in the middle.
- A fault names what it struck where it strikes one (`execution`, `runner`), because a loss is excused by its own fault
  only: `supervisor_lost` needs a `shim_killed` of that execution or a `host_crashed` of its runner.
- Items (C7) and triggers (C8) come with later issues; their events are here, and C8 judges idempotency keys already.
"""
