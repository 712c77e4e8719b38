"""Counts the words of the texts it is given: a plain script, no SDK, no requirements.

Its exit code is its result: 0 when all went well, 3 when it was asked to fail. What stands beyond that is optional:
parameters come in the JSON file named by BOTYARD_PARAMETERS, files left in BOTYARD_ARTIFACTS are kept, and a result
with numbers may be written to BOTYARD_RESULT. Run by hand, none of the three is there and the script works all the same.
"""

import json
import os
import sys
import time
from collections import Counter
from pathlib import Path

TEXTS = [
    "the runner takes the work",
    "the hub keeps the work",
    "the bot does the work and says so",
    "nothing is lost",
    "nothing runs twice",
]


def main() -> int:
    parameters = read_parameters()
    texts = parameters.get("texts", TEXTS)
    words: Counter[str] = Counter()
    for number, text in enumerate(texts, start=1):
        time.sleep(float(parameters.get("pace", 0.1)))
        found = text.split()
        words.update(found)
        print(f"text {number} of {len(texts)}: {len(found)} words", flush=True)
    leave_table(words)
    if parameters.get("fail"):
        print("asked to fail", file=sys.stderr, flush=True)
        return 3
    print(f"{sum(words.values())} words, {len(words)} different", flush=True)
    leave_result(len(texts))
    return 0


def read_parameters() -> dict:
    path = os.environ.get("BOTYARD_PARAMETERS")
    return json.loads(Path(path).read_text(encoding="utf-8")) if path else {}


def leave_table(words: Counter) -> None:
    folder = os.environ.get("BOTYARD_ARTIFACTS")
    if folder:
        lines = [f"{word},{count}" for word, count in words.most_common()]
        Path(folder, "words.csv").write_text("word,count\n" + "\n".join(lines) + "\n", encoding="utf-8")


def leave_result(texts: int) -> None:
    path = os.environ.get("BOTYARD_RESULT")
    if path:
        result = {"status": "succeeded", "message": f"{texts} texts counted",
                  "totals": {"total": texts, "processed": texts, "failed": 0}}
        Path(path).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
