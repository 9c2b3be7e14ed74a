"""The example for a published client, as docs/compatibility.md has it."""

import re
from importlib.metadata import version
from pathlib import Path

from server import Server

DOCUMENT = Path(__file__).parents[2] / "docs" / "compatibility.md"


def run_example(server: Server) -> None:
    """Runs the block that names the installed client, with the server's address and first key in it."""
    installed = f"confidentai=={version('confidentai')}"
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    [block] = [block for block in blocks if installed in block]
    for documented, actual in [("confident_org_…", server.first_key), ("http://127.0.0.1:8080", server.url)]:
        assert documented in block
        block = block.replace(documented, actual)
    exec(compile(block, DOCUMENT.name, "exec"), {})
