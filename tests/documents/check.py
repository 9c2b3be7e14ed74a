"""Checks the links of all pages, and runs the shell blocks of README.md and docs/: check.py [--links | PAGE…]

Comments in the line before a block say how to check it:

    <!-- not run: REASON -->        a shell block that a test cannot run
    <!-- fresh store -->            a shell block that is run in an empty folder, without a server
    <!-- server -->                 a shell block whose first line is a server, in an empty folder; the others run beside it
    <!-- file: NAME -->             a block that is a file for the page's shell blocks
    <!-- not compared: REASON -->   an output that differs from what the shell block before it prints

A block of json or text directly after a shell block is its output; `…` stands for any text. A comment such as `# 403` after
`curl -i` is the status of the answer.
"""

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from gate import check_gate
from pages import TOP, Block, Page, all_pages, faults
from world import World

# They begin with a new store. Every other page has a project and its key.
FIRST_PAGES = [Path("README.md"), Path("docs/getting-started.md")]


def run_block(world: World, block: Block) -> None:
    text = world.resolve(block.text)
    code = "\n".join(line.split(" # ")[0] for line in text.splitlines())
    assert "…" not in code, "it has a placeholder that tests/documents/world.py does not know"
    if block.mark == "server":
        world.serve(text)
        return
    if block.mark == "fresh store":
        with tempfile.TemporaryDirectory(dir=world.folder) as folder:
            world.run(text, Path(folder))
        return
    output = world.run(text)
    statuses = re.findall(r"# ([1-5]\d\d)$", block.text, re.MULTILINE)
    if statuses:
        actual = re.findall(r"HTTP/\S+ (\d+)", output)
        assert actual == statuses, f"the statuses are {actual}, the page has {statuses}"
    else:
        assert '"success":false' not in output, f"a request is refused:\n{output}"
    shown = block.next
    if shown and shown.language in ("json", "text") and not shown.mark.startswith("not compared"):
        expected = ".*".join(map(re.escape, shown.text.strip().split("…")))
        assert re.search(expected, output, re.DOTALL), f"it prints\n{output}\nand not\n{shown.text}"


def has_nginx() -> bool:
    """Whether nginx is there. Without it, README's proxy is not tried, unless nothing may be skipped."""
    found = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") is not None
    if not found:
        assert "TESTS_SKIP_NOTHING" not in os.environ, "nginx is missing"
        print("README's proxy is not tried: nginx is missing", file=sys.stderr)
    return found


def run_page(page: Page) -> tuple[int, int]:
    """How many shell blocks were run, and how many were not."""
    blocks = [block for block in page.blocks if block.language == "sh"]
    to_run = [block for block in blocks if not block.mark.startswith("not run")]
    files = [block for block in page.blocks if block.mark.startswith("file: ")]
    if not to_run:
        return 0, len(blocks)
    world = World()
    try:
        world.start()
        if page.name not in FIRST_PAGES:
            world.add_project()
        for file in files:
            (world.cwd / file.mark.removeprefix("file: ")).write_text(file.text + "\n")
        for block in to_run:
            try:
                run_block(world, block)
            except AssertionError as error:
                sys.exit(f"{block}: {error}")
        for block in page.blocks if page.name == Path("README.md") else []:
            if block.language == "nginx" and has_nginx():
                try:
                    check_gate(world, block)
                except AssertionError as error:
                    sys.exit(f"{block}: {error}")
    finally:
        world.end()
    return len(to_run), len(blocks) - len(to_run)


def main() -> None:
    pages = all_pages()
    found = faults(pages)
    if found:
        sys.exit("\n".join(found))
    if sys.argv[1:] == ["--links"]:
        print(f"{len(pages)} pages and their links hold")
        return
    wanted = [(Path.cwd() / name).resolve() for name in sys.argv[1:]]
    run = skipped = 0
    for page in pages:
        is_ours = page.path.is_relative_to(TOP / "docs") or page.name == Path("README.md")
        if is_ours and (not wanted or page.path in wanted):
            counts = run_page(page)
            run, skipped = run + counts[0], skipped + counts[1]
    links = sum(len(page.links()) for page in pages)
    print(f"{len(pages)} pages, {links} links, {run} shell blocks run, {skipped} not run for the reason beside them")


main()
