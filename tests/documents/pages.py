"""Markdown pages: their headings, links and code blocks, and the rules that every page follows."""

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).parents[2]
INDEX = TOP / "docs" / "README.md"
README_LINES = 150
FENCE = re.compile(r"^( *)```(\S*)\s*$")
MARK = re.compile(r"^ *<!-- (not run: .+|not compared: .+|file: .+|fresh store|server) -->$")
LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^()\s]+)\)")


@dataclass
class Block:
    """A fenced code block, and the comment in the line before it that says how to check it."""

    page: Path
    line: int
    language: str
    text: str
    mark: str
    # The block that begins after this one with only a blank line between.
    next: "Block | None" = None

    def __str__(self) -> str:
        return f"{self.page.relative_to(TOP)}:{self.line}"


class Page:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.relative_to(TOP)
        self.lines = path.read_text().splitlines()
        self.blocks: list[Block] = []
        self.prose: list[tuple[int, str]] = []
        self._parse()

    def _parse(self) -> None:
        start, indent, language, last_end = 0, "", "", -9
        for number, line in enumerate(self.lines, 1):
            fence = FENCE.match(line)
            if start and fence and not fence[2]:
                text = textwrap.dedent("\n".join(self.lines[start : number - 1]))
                mark = MARK.match(self.lines[start - 2]) if start > 1 else None
                block = Block(self.path, start, language, text, mark[1] if mark else "")
                if self.blocks and start == last_end + 2:
                    self.blocks[-1].next = block
                self.blocks.append(block)
                start, last_end = 0, number
            elif not start and fence:
                start, indent, language = number, fence[1], fence[2]
            elif not start:
                self.prose.append((number, line))
        assert not start, f"{self.name}:{start}: this block has no end"

    def anchors(self) -> set[str]:
        """The anchors of the headings, as GitHub makes them."""
        found: set[str] = set()
        for _, line in self.prose:
            if heading := re.match(r"#+ (.+)", line):
                text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1]).strip().lower()
                slug = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
                count = 0
                while (name := f"{slug}-{count}" if count else slug) in found:
                    count += 1
                found.add(name)
        return found

    def links(self) -> list[tuple[int, str]]:
        """Line and target of each link and picture. A link's text may continue on the next line."""
        text = "\n".join(line for _, line in self.prose)
        numbers = [number for number, _ in self.prose]
        text = re.sub(r"`[^`\n]*`", lambda code: "`" * len(code[0]), text)
        return [(numbers[text.count("\n", 0, link.start())], link[1]) for link in LINK.finditer(text)]


def all_pages() -> list[Page]:
    top = ["README.md", "SECURITY.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "CHANGELOG.md"]
    return [Page(path) for path in [*(TOP / name for name in top), *sorted((TOP / "docs").rglob("*.md"))]]


def faults(pages: list[Page]) -> list[str]:
    """A sentence for each broken link and each page that breaks a rule."""
    anchors = {page.path: page.anchors() for page in pages}
    found, linked = [], {INDEX}
    for page in pages:
        for line, target in page.links():
            if target.startswith("https://"):
                continue
            file, _, anchor = target.partition("#")
            to = (page.path.parent / file).resolve() if file else page.path
            if not to.exists():
                found.append(f"{page.name}:{line}: {target}: there is no such file")
            elif anchor and anchor not in anchors.get(to, set()):
                found.append(f"{page.name}:{line}: {target}: there is no such heading")
            if page.path == INDEX:
                linked.add(to)
        found += form(page)
        if page.name == Path("docs/operations.md"):
            found += unknown_messages(page)
    docs = [page for page in pages if page.path.parent == INDEX.parent]
    found += [f"{page.name}: docs/README.md does not link to it" for page in docs if page.path not in linked]
    return found


def unknown_messages(page: Page) -> list[str]:
    """The quoted messages of docs/operations.md that the program does not print. The names of files in them vary."""
    sources = [path.read_text() for path in sorted((TOP / "src").rglob("*.rs"))]
    program = " ".join(re.sub(r"\\\n\s*", "", "\n".join(sources)).split())
    quoted = [message for _, line in page.prose if line.startswith("|") for message in re.findall(r'"([^"]+)"', line)]
    parts = [part.strip() for message in quoted for part in re.split(r"keystead\.\S+(?: and)?", message) if part.strip()]
    assert parts, f"{page.name}: it has no messages"
    return [f"{page.name}: the program does not say: {part}" for part in parts if part not in program]


def form(page: Page) -> list[str]:
    """The rules for the form of a page: README and docs/ alone."""
    if page.path.parent != INDEX.parent and page.name != Path("README.md"):
        return []
    found = []
    if page.name == Path("README.md") and len(page.lines) >= README_LINES:
        found.append(f"README.md has {len(page.lines)} lines; keep it under {README_LINES}")
    titles = [number for number, line in page.prose if line.startswith("# ")]
    if titles != [1]:
        found.append(f"{page.name}: a page has one title, in its first line")
    if len(page.lines) < 3 or not re.match(r"[A-Za-z]", page.lines[2]):
        found.append(f"{page.name}: a page opens with a sentence that says what it is for")
    for block in page.blocks:
        if not block.language:
            found.append(f"{block}: name the block's language (sh, json, text, …)")
        for file in re.findall(r"\btests/[\w./]*\w", block.mark):
            if not (TOP / file).exists():
                found.append(f"{block}: {file}, which the comment names, does not exist")
        if block.language in ("bash", "shell", "console"):
            found.append(f"{block}: shell blocks are called sh, so that they are run")
    return found
