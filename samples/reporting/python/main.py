"""Weighs parcels and reports in every way that needs no SDK; nothing but Python. Run by hand it only prints."""

import json
import os
import sys
import urllib.request
from pathlib import Path

HERE, TOKEN = os.environ.get("BOTYARD_API_URL"), os.environ.get("BOTYARD_API_TOKEN")


def call(method, path, body=None, kind="application/json"):
    """One call; what it answers: an object for JSON, else a text."""
    if not HERE:
        return None
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": kind}
    request = urllib.request.Request(f"{HERE}/{path}", data=data, headers=headers, method=method)
    with urllib.request.urlopen(request) as answer:
        text = answer.read().decode()
        return json.loads(text) if "json" in answer.headers["Content-Type"] else text


def leave(variable, text):
    """Append to the file that a variable names."""
    if variable in os.environ:
        with open(os.environ[variable], "a", encoding="utf-8") as file:
            file.write(text)


def main():
    path = os.environ.get("BOTYARD_PARAMETERS")
    parameters = json.loads(Path(path).read_text(encoding="utf-8")) if path else {}
    count = int(parameters.get("count", 3))

    # --- lines ---
    print(f"::notice title=Parcels::{count} parcels wait")
    print("::add-mask::scale-serial-99812")
    print("the scale is scale-serial-99812")
    print("::progress percent=5::scale is warm")
    print("::stop-commands::parcels-end\n::error::this is only text\n::parcels-end::")

    # --- calls ---
    print("::group::calls")
    print(call("GET", "parameters"))
    if "pin" in parameters:
        print("the pin is", call("GET", "secrets/pin"))
    for number in range(1, count + 1):
        asked = call("GET", "cancelled")
        if asked and (asked["cancelled"] or asked["interrupted"]):
            print(f"::warning::stopped before parcel {number}")
            return 1
        call("POST", "log", {"log": "parcels", "columns": {"number": number, "grams": number * 250}})
        call("POST", "progress", {"percent": number * 100 / count, "text": f"parcel {number} of {count}"})
    heaviest = count * 250
    call("POST", "outputs", {"heaviest": heaviest})
    table = f"number,grams\n{count},{heaviest}\n"
    call("PUT", "artifacts/scale.csv", table.encode(), "text/csv")
    call("POST", "result", {"status": "partial", "message": "weighed", "totals": {"total": count, "processed": count}})
    print("::endgroup::")
    print("::warning title=Scale,file=main.py::due for calibration")

    # --- files ---
    leave("BOTYARD_OUTPUT", f"count={count}\nlabel<<END_OF_LABEL\nto: Ada\nfrom: Botyard\nEND_OF_LABEL\n")
    leave("BOTYARD_SUMMARY", f"## {count} parcels\nHeaviest: **{heaviest} g**\n")
    if "BOTYARD_ARTIFACTS" in os.environ:
        Path(os.environ["BOTYARD_ARTIFACTS"], "weights.csv").write_text(table, encoding="utf-8")
    totals = {"total": count, "processed": count, "failed": 0}
    leave("BOTYARD_RESULT", json.dumps({"status": "succeeded", "message": f"{count} parcels weighed", "totals": totals}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
