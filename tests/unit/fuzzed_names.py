"""Names made of what means something in PromQL, YAML, Go templates, Markdown, HTML, Slack and terminals."""

from __future__ import annotations

import random
import unicodedata

from hypothesis import strategies as st

#: What ends a string, begins a template or a variable, is markup or looks like another type.
PIECES = (
    '"', "'", "`", "\\", "\\\\", "{{", "}}", "{", "}", "{{ .X }}", '{{ "{{" }}', "{{/*", "*/}}", "{{-",
    "$", "$$", "$job", "${job}", "$labels", "%", "%q", "%[1]q", "%s", "[", "]", "[job]", "[[job]]", "(", ")",
    '"} or x{z="', '\\"} or x{z=\\"', "|", "^", ".*", "+", "?", ",", "=", "=~", "/",
    ": ", ":", "- ", "#", " # ", "!!", "!!python/object:os.system", "&", "&a", "*", "*a", ">", "~", "null",
    "yes", "0x1", "1e3", "2026-11-23", "---", "...", "<<", "@", "-->", "<!--", "*/", "/*", "//",
    "<script>alert(1)</script>", "<", "</p>", "<!channel>", "<@U1>", "](http://evil)", "**b**", "_", "~~",
    "&amp;", "&#34;", " ", "  ", "\N{NO-BREAK SPACE}",
    "\N{ZERO WIDTH NO-BREAK SPACE}", "\N{RIGHT-TO-LEFT OVERRIDE}", "\N{RIGHT-TO-LEFT MARK}", "\uffff",
    "\N{WATER WAVE}", "\N{ZERO WIDTH JOINER}", "e\N{COMBINING ACUTE ACCENT}", "зависимость", "依存",
    "الاعتماد", "a", "x9",
)  # fmt: skip
#: What no name may have.
CONTROLS = (
    "\n", "\r", "\r\n", "\t", "\0", "\x1b[31m", "\x7f", "\N{NEXT LINE}", "\N{LINE SEPARATOR}",
    "\N{PARAGRAPH SEPARATOR}",
)  # fmt: skip
FORBIDDEN = ("Cc", "Cs", "Zl", "Zp")


def joined(pieces: tuple[str, ...]) -> st.SearchStrategy[str]:
    """Up to 200 characters of pieces, and of any others beside."""
    character = st.characters(exclude_categories=FORBIDDEN if pieces is PIECES else ["Cs"])
    some = st.lists(st.sampled_from(pieces) | character, min_size=1, max_size=12).map("".join)
    long = st.builds(lambda piece: (piece * 200)[:200], st.sampled_from(pieces))
    return some.map(lambda text: text[:200]) | long


#: What guards and services may be called.
NAMES = joined(PIECES)
#: What somebody may try to call them, too.
TEXTS = joined((*PIECES, *CONTROLS))


def allowed(text: str) -> bool:
    return 1 <= len(text) <= 200 and all(unicodedata.category(char) not in FORBIDDEN for char in text)


def seeded(seed: int, count: int) -> list[str]:
    """Names, each another: the same for the same seed."""
    chance = random.Random(seed)
    return [
        f"{number} {''.join(chance.choices(PIECES, k=chance.randint(1, 12)))}"[:190]
        for number in range(count)
    ]
