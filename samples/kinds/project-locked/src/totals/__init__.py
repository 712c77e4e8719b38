import os
from pathlib import Path

from tabulate import tabulate

INVOICES = [("A-1", 19.0), ("A-2", 21.5), ("A-3", 19.5)]


def main() -> int:
    month = os.environ.get("BOTYARD_PARAM_MONTH", "this month")
    total = sum(amount for _, amount in INVOICES)
    print(tabulate(INVOICES, headers=("invoice", "amount"), floatfmt=".2f"))
    print(f"totals of {month}: {len(INVOICES)} invoices, {total:.2f}", flush=True)
    folder = Path(os.environ.get("BOTYARD_ARTIFACTS", "."))
    (folder / "totals.csv").write_text(f"month,invoices,total\n{month},{len(INVOICES)},{total:.2f}\n")
    return 0
