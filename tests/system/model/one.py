"""One run of one seed, in a process of its own: exit 0 if all is well, else 1 with what was found."""

import argparse
import json
import sys
import traceback

from harness.kafka import Kafka

from model.check import Check, identity
from model.run import Run
from model.scenario import make_scenario


def broker_at(bootstrap):
    """The harness's Kafka for a broker that somebody else runs."""
    broker = Kafka("/nonexistent")
    broker.port = int(bootstrap.rsplit(":", 1)[1])
    return broker


def keep(run, check):
    """What happened, for who looks into it."""
    run.keep("story", run.story)
    run.keep("scenario", [run.scenario.summary(), json.dumps(run.scenario.settings), json.dumps(run.scenario.sandbox)])
    if run.journal:
        run.keep("journal.ndjson", [json.dumps(entry) for entry in run.journal.entries])
    told = check.outcomes if check else {}
    writes = []
    for write in run.scenario.writes:
        facts = {k: v for k, v in vars(write).items() if k not in ("item", "document", "value", "headers")}
        facts |= {"item": write.item and write.item.name, "outcome": told.get(identity(write)),
                  "key": repr(write.key), "value": repr(write.value)[:200], "headers": repr(write.headers)}
        writes.append(json.dumps(facts))
    run.keep("writes.ndjson", writes)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--directory", required=True)
    parser.add_argument("--plain", action="store_true")
    args = parser.parse_args()
    scenario = make_scenario(args.seed, plain=args.plain, topology=not args.plain)
    run, check = Run(scenario, broker_at(args.bootstrap), args.directory), None
    try:
        run.execute()
        check = Check(run)
        run.findings += check.everything()
    except Exception:
        run.findings.append(traceback.format_exc())
    try:
        run.close()
    except Exception:
        run.findings.append(traceback.format_exc())
    if run.findings:
        keep(run, check)
    counts = " ".join(f"{k}={v}" for k, v in sorted((check.counts if check else {}).items(), key=str))
    rest = f"rest={run.rest_s:.1f}s" if run.rest_s is not None else ""
    print(f"{scenario.summary()} {counts} {rest}")
    for finding in run.findings:
        print(f"  {finding}")
    sys.exit(1 if run.findings else 0)


if __name__ == "__main__":
    main()
