"""The producer's peak memory in all the other figures, beside what it is allowed."""

from lib.measuring import emit


def rss(rig):
    if not rig.memory:
        raise SystemExit("this is of the other figures: ask for some of them, too")
    share = {bench: one["peak_rss_bytes"] / one["rss_allowed_bytes"] for bench, one in rig.memory.items()}
    worst = max(share, key=share.get)
    emit("producer-rss", rig.memory[worst] | {"of": worst, "shares": {name: round(x, 3) for name, x in share.items()}},
         "budget + 48 MiB + 128 bytes a job in view", share[worst], "ratio <= 1", share[worst] <= 1)
