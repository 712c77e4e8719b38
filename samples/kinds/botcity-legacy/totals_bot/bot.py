import os

from botcity.maestro import AutomationTaskFinishStatus, BotMaestroSDK

INVOICES = [19.0, 21.5, 19.5]


def main():
    maestro = BotMaestroSDK.from_sys_args()
    task = maestro.get_execution()
    month = task.parameters.get("month", "this month")
    line = f"totals of {month}: {len(INVOICES)} invoices, {sum(INVOICES):.2f}"
    print(line, flush=True)
    os.makedirs("output", exist_ok=True)
    with open("output/totals.csv", "w") as table:
        table.write(f"month,invoices,total\n{month},{len(INVOICES)},{sum(INVOICES):.2f}\n")
    maestro.finish_task(
        task_id=task.task_id,
        status=AutomationTaskFinishStatus.SUCCESS,
        message=line,
        total_items=len(INVOICES),
        processed_items=len(INVOICES),
        failed_items=0,
    )
