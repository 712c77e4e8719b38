"""
Books the invoices of one month.

Based on the template of the BotCity documentation: the Maestro server, the task id, the access token and the
organization come as arguments of the process.

    python bot.py                                       offline, on the developer's machine
    python bot.py <server> <task_id> <token> <organization>     started by a runner
"""

# Import for time between two invoices
import time

# Import for reading the list of invoices
import csv
from pathlib import Path

# Import for integration with BotCity Maestro SDK
from botcity.maestro import *

# Disable errors if we are not connected to Maestro
BotMaestroSDK.RAISE_NOT_CONNECTED = False

INVOICES = Path(__file__).parent / "resources" / "invoices.csv"


def main():
    # Runner passes the server url, the id of the task being executed,
    # the access token and the parameters that this task receives (when applicable).
    maestro = BotMaestroSDK.from_sys_args()
    # Fetch the BotExecution with details from the task, including parameters
    execution = maestro.get_execution()

    print(f"Task ID is: {execution.task_id}", flush=True)
    print(f"Task Parameters are: {execution.parameters}", flush=True)

    parameters = execution.parameters or {}
    month = str(parameters.get("month", "2026-03"))
    pace = float(parameters.get("pace", 0.2))
    # How the day goes: SUCCESS, PARTIALLY_COMPLETED (every third invoice is refused) or FAILED (the portal goes away)
    end = str(parameters.get("end", "SUCCESS")).upper()

    invoices = read_invoices(month, int(parameters.get("count", 0)))
    print(f"{len(invoices)} invoices to book for {month}", flush=True)

    processed = 0
    failed = 0
    try:
        for position, invoice in enumerate(invoices, start=1):
            if is_interrupted(maestro, execution):
                print("Interruption requested: leaving the rest for the next run", flush=True)
                finish(maestro, execution, AutomationTaskFinishStatus.PARTIALLY_COMPLETED,
                       f"Interrupted after {position - 1} of {len(invoices)} invoices",
                       processed, len(invoices) - processed)
                return
            time.sleep(pace)
            try:
                book(invoice, position, end)
                processed += 1
                print(f"[{position}/{len(invoices)}] {invoice['number']} {invoice['supplier']}: booked", flush=True)
            except ValueError as error:
                failed += 1
                print(f"[{position}/{len(invoices)}] {invoice['number']} {invoice['supplier']}: {error}", flush=True)
    except Exception as error:
        print(f"Stopped: {error}", flush=True)
        finish(maestro, execution, AutomationTaskFinishStatus.FAILED, str(error), processed, len(invoices) - processed)
        return

    if failed:
        status = AutomationTaskFinishStatus.PARTIALLY_COMPLETED
        message = f"{processed} invoices booked, {failed} refused"
    else:
        status = AutomationTaskFinishStatus.SUCCESS
        message = f"All {processed} invoices booked"
    finish(maestro, execution, status, message, processed, failed)


def read_invoices(month, count):
    with INVOICES.open(newline="", encoding="utf-8") as file:
        rows = [dict(row, month=month) for row in csv.DictReader(file)]
    # A longer list for longer trials: the same invoices once more
    return [rows[i % len(rows)] for i in range(count)] if count else rows


def book(invoice, position, end):
    if end == "FAILED" and position == 4:
        raise ConnectionError("The accounting portal does not answer")
    if end == "PARTIALLY_COMPLETED" and position % 3 == 0:
        raise ValueError("refused, the order number is missing")
    if float(invoice["amount"]) <= 0:
        raise ValueError("refused, nothing to pay")


def is_interrupted(maestro, execution):
    if not maestro.is_online:
        return False
    return bool(maestro.get_task(execution.task_id).is_interrupted())


def finish(maestro, execution, status, message, processed, failed):
    print(f"{status.value}: {message}", flush=True)
    maestro.finish_task(
        task_id=execution.task_id,
        status=status,
        message=message,
        total_items=processed + failed,
        processed_items=processed,
        failed_items=failed,
    )


def not_found(label):
    print(f"Element not found: {label}")


if __name__ == '__main__':
    main()
