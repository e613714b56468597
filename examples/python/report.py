"""executeReport() as an HTTP handler would call it: read the input, read the database, generate the report, hand over
the write, return. Once a non-daemon thread or a ThreadPoolExecutor stood where publish() stands now:

    executor.submit(write_to_database, documents).add_done_callback(handle_db_result)

    python3 report.py [SALES.csv]        WRITEBEHIND_URL, WRITEBEHIND_TOKEN, WRITEBEHIND_CONTAINER
"""

import csv
import json
import os
import sys
from collections import defaultdict
from pathlib import Path

from writebehind import Refused, Writebehind

HERE = Path(__file__).resolve().parent
writebehind = Writebehind(os.environ.get("WRITEBEHIND_URL", "http://127.0.0.1:8080"), os.environ.get("WRITEBEHIND_TOKEN"))
target = {"container": os.environ["WRITEBEHIND_CONTAINER"]} if os.environ.get("WRITEBEHIND_CONTAINER") else {}


def read_input(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read_database():
    """The customers by name: a file here, a query of yours there."""
    return json.loads((HERE / "customers.json").read_text(encoding="utf-8"))


def generate_report(sales, customers):
    """A document for each customer who bought something: what for, and in which region."""
    totals = defaultdict(float)
    for sale in sales:
        totals[sale["customer"]] += float(sale["amount"])
    return [{"id": f"total-{name.lower()}", "pk": customers.get(name, {}).get("region", "unknown"),
             "customer": name, "total": round(total, 2)} for name, total in sorted(totals.items())]


def handle_db_result(future):
    """The done callback, as it was: called once, when the write has ended."""
    try:
        job = future.result()
        print(f"written: {job['written']} of {job['accepted']}, {job['requestCharge']} RU")
    except Exception as e:
        send_failure_email(str(e))


def send_failure_email(why):
    print(f"report failed: {why}", file=sys.stderr)  # smtplib's place


def executeReport(path):
    sales = read_input(path)
    customers = read_database()
    documents = generate_report(sales, customers)
    future = writebehind.publish(documents, callback=handle_db_result, **target)
    return {"success": True, "jobId": future.job_id}, future


if __name__ == "__main__":
    try:
        answer, future = executeReport(sys.argv[1] if len(sys.argv) > 1 else HERE / "sales.csv")
    except Refused as e:
        sys.exit(f"refused: {e}")
    print(json.dumps(answer), flush=True)  # what the caller of the handler gets, before anything is written
    sys.exit(1 if future.exception() else 0)  # a service would go on; a script waits for the end
