"""Where things are, and what to do about what is missing."""

import os
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
BUILD = ROOT / os.environ.get("WB_BUILD", "build")
BIN = BUILD / "bin"
NODE_DIR = ROOT / "tests" / "system" / "node"
NODE = ROOT / ".venv" / "bin" / "node"


def need(present, what):
    """Ends the test if `what` is missing: as a failure where CI=true, as a skip elsewhere."""
    import pytest
    if present:
        return
    message = f"missing: {what} (sh setup.sh installs what tests need)"
    if os.environ.get("CI") == "true":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def need_tool(name):
    found = shutil.which(name)
    need(found, name)
    return found


def promtool():
    """The path of Prometheus' promtool."""
    found = shutil.which("promtool") or str(ROOT / ".deps" / "promtool")
    need(Path(found).exists(), "promtool in .deps")
    return found


def node():
    """The path of Node.js, with the packages of tests/system/node in place."""
    need(NODE.exists(), "Node.js in .venv")
    need((NODE_DIR / "node_modules").is_dir(), "tests/system/node/node_modules")
    return str(NODE)


def binary(name):
    """The path of writebehind-NAME. A program that was not built is a failure everywhere: `make` builds it."""
    import pytest
    path = BIN / f"writebehind-{name}"
    if not path.exists():
        pytest.fail(f"{path} is not there: run make", pytrace=False)
    return str(path)
