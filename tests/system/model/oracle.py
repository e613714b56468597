"""What may become of a write: a naive model of one item under its log, with no knowledge of how the consumer works.

The state of an item is None (absent) or (seq, patched): which write of its log made the document, and which patch of it
came last. Each step gives every possible (outcome, reasons of a death, state afterwards).
"""


class Etags:
    """What the journal says of etags: which state of which item each one names, and how often a state was made."""

    def __init__(self):
        self.state_of = {}    # etag → state
        self.made = {}        # (item, state) → how often

    def add(self, item, etag, state):
        self.state_of[etag] = state
        self.made[item, state] = self.made.get((item, state), 0) + 1


def written(state):
    return ("written", frozenset(), state)


def dead(state, *reasons):
    return ("dead", frozenset(reasons), state)


def steps(write, state, etags, replaceable):
    """Every possible result of carrying out `write` on an item in `state`. replaceable: a plain upsert follows it."""
    result = _steps(write, state, etags)
    if replaceable:
        result.append(("superseded", frozenset(), state))
    if write.item.sick:
        result.append(dead(state, "bad-request"))
    return result


def _steps(write, state, etags):
    if write.condition in ("match", "forged"):
        return _conditional(write, state, etags)
    return _unconditional(write, state)


def _unconditional(write, state):
    new = (write.seq, None)
    if write.op == "delete":
        return [written(None)]
    if write.op == "create" or write.condition == "none-match":
        if state is None or state == new:
            return [written(new)]
        return [dead(state, "conflict" if write.op == "create" else "precondition-failed")]
    if write.op == "upsert":
        return [written(new)]
    if state is None:
        return [dead(state, "not-found")]
    return [written((state[0], write.seq) if write.op == "patch" else new)]


def _conditional(write, state, etags):
    """The same with If-Match. A document that was written twice has two etags, and the model does not know which."""
    new = (write.seq, None)
    if state is None:
        if write.op == "delete":
            return [written(None)]
        refused = [dead(state, "not-found", "precondition-failed")]
        return refused + [written(new)] if write.op == "upsert" else refused
    wanted = etags.state_of.get(write.etag)
    result = []
    if state == wanted:
        result += [written(None if write.op == "delete" else new)]
    if state != wanted or etags.made.get((write.item.name, wanted), 0) > 1:
        # What is stored is what it wanted: it was carried out before.
        stored_is_wanted = write.op != "delete" and state == new
        result += [written(state) if stored_is_wanted else dead(state, "precondition-failed")]
    return result


class Possible:
    """What may become of the writes of one item."""

    def __init__(self):
        self.outcomes = {}    # seq → {(outcome, reasons)}
        self.before = {}      # seq → states in which it may have found the item; only when nothing was repeated
        self.final = set()

    def reasons(self, seq):
        return frozenset().union(*(reasons for outcome, reasons in self.outcomes[seq] if outcome == "dead"), ())


def _replaceable(log, i):
    return log[i].is_plain_upsert and i + 1 < len(log) and log[i + 1].is_plain_upsert


def once(item, etags, outcome_of):
    """Each write was carried out in its turn; outcome_of(write) is what was told of it. A state set that became empty
    means that what was told cannot have happened; then outcomes[seq] holds what could."""
    possible, states = Possible(), {None}
    for i, write in enumerate(item.log):
        results = [r for state in states for r in steps(write, state, etags, _replaceable(item.log, i))]
        possible.before[i] = frozenset(states)
        possible.outcomes[i] = {(outcome, reasons) for outcome, reasons, _ in results}
        told = outcome_of(write)
        states = {state for outcome, _, state in results if outcome == told} or {state for _, _, state in results}
    possible.final = states
    return possible


def with_repeats(item, etags):
    """At any moment the log may have begun again at any earlier write, as after a kill."""
    possible = Possible()
    reached = {None: 0}       # state → how far the log had come at most; every shorter prefix may be where it stands
    done = {}                 # state → how many steps from it were looked at
    todo = {None}
    while todo:
        state = todo.pop()
        end = min(reached[state] + 1, len(item.log))
        for i in range(done.get(state, 0), end):
            for outcome, reasons, after in steps(item.log[i], state, etags, _replaceable(item.log, i)):
                possible.outcomes.setdefault(i, set()).add((outcome, reasons))
                if i + 1 > reached.get(after, -1):
                    reached[after] = i + 1
                    todo.add(after)
        done[state] = end
    possible.final = {state for state, position in reached.items() if position == len(item.log)}
    return possible
