"""The command line that all programs of figures have."""

import argparse
import os

from lib import say


def measure(description, figures, make_rig):
    """Runs the figures that the command line asks for, each with the rig that make_rig() returns, on two cores."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--list", action="store_true", help="print the figures' names")
    parser.add_argument("--only", default=",".join(figures), help="measure these, with commas between them")
    options = parser.parse_args()
    if options.list:
        print("\n".join(figures))
        return
    wanted = options.only.split(",")
    if set(wanted) - set(figures):
        parser.error(f"there is no {', '.join(sorted(set(wanted) - set(figures)))}: --list")
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    failed = []
    rig = make_rig()
    try:
        for name in wanted:
            say(name)
            try:
                figures[name](rig)
            except (SystemExit, TimeoutError) as why:
                say(f"{name} failed: {why}")
                failed.append(name)
    finally:
        rig.close()
    if failed:
        raise SystemExit(f"bench: failed: {', '.join(failed)}")
