"""A document of headings, paragraphs, lists and tables, as Markdown and as a page of HTML."""

import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;margin:1rem 0}th,td{border:1px solid #ccc;padding:.25rem .6rem;text-align:left}"
    "th{background:#f4f4f4}table{display:block;overflow-x:auto}"
)


class Table(NamedTuple):
    """Rows under their head."""

    head: Sequence[str]
    rows: Sequence[Sequence[Any]]


class Section(NamedTuple):
    """A heading of `level` 1 to 3, and what stands below it: paragraphs and tables."""

    level: int
    title: str
    blocks: Sequence[str | Table]


def markdown(front: Mapping[str, Any], sections: Sequence[Section]) -> str:
    """The document with `front` as its YAML front matter."""
    lines = ["---", *_yaml(front), "---", ""]
    for section in sections:
        lines += [f"{'#' * section.level} {section.title}", ""]
        for block in section.blocks:
            lines += [_markdown_table(block) if isinstance(block, Table) else _plain(block), ""]
    return "\n".join(lines)


def html(title: str, sections: Sequence[Section]) -> str:
    """The document as a page that needs nothing else: no script, no font, no image."""
    body = "".join(
        f"<h{section.level}>{escape(section.title)}</h{section.level}>" + "".join(map(_html_block, section.blocks))
        for section in sections
    )
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>"
    )
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>\n'


def _html_block(block: str | Table) -> str:
    if isinstance(block, str):
        return f"<p>{escape(block)}</p>"
    head = "".join(f"<th>{escape(name)}</th>" for name in block.head) if any(block.head) else ""
    rows = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in block.rows)
    return f"<table>{f'<thead><tr>{head}</tr></thead>' if head else ''}<tbody>{rows}</tbody></table>"


def _markdown_table(block: Table) -> str:
    rows = [block.head, ["---"] * len(block.head), *block.rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in row)} |" for row in rows)


def _cell(value: Any) -> str:
    return _plain(str(value)).replace("|", "\\|").replace("\n", " ")


def _plain(text: str) -> str:
    """`text` without what Markdown's readers would take for HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;")


def _yaml(value: Any, depth: int = 0) -> Iterator[str]:
    """Block style; every scalar as JSON, which is YAML."""
    before = "  " * depth
    if isinstance(value, Mapping):
        for name, one in value.items():
            if isinstance(one, Mapping | list) and one:
                yield f"{before}{name}:"
                yield from _yaml(one, depth + 1)
            else:
                yield f"{before}{name}: {json.dumps(one, ensure_ascii=False)}"
        return
    for one in value:
        if isinstance(one, Mapping):
            first, *rest = _yaml(one, depth + 1)
            yield f"{before}- {first.strip()}"
            yield from rest
        else:
            yield f"{before}- {json.dumps(one, ensure_ascii=False)}"
