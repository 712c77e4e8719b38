"""The end of a process in which worlds were crashed."""

import gc


def pytest_unconfigure() -> None:
    """Leave what crashed worlds left as it is: taken apart by the interpreter's end, their coroutines ran on there,
    long after their loops, and the process was seen to die of it when all tests had passed.
    """
    gc.freeze()
