"""What MLflow's clients attach to models and versions: tags, aliases and stages; the lineup shows in them. Pure.

The lineup is the truth: its champion has the alias `champion` and the stage Production, wherever those are stored.
"""

import re
from collections.abc import Mapping

from msgspec import Struct

from zeroloop.errors import InvalidInput
from zeroloop.registry.rules import Lineup, Model, NotPromotable, State, Version
from zeroloop.tracking.limits import check_key, check_length

CHAMPION = "champion"
NONE, STAGING, PRODUCTION, ARCHIVED = STAGES = ("None", "Staging", "Production", "Archived")

MAX_DESCRIPTION, MAX_TAG = 10_000, 100_000
# A transaction has at the most 100 items, and the model, its names and its lineup are some of them.
MAX_FIRST_TAGS = 90

_ALIAS = re.compile(r"[\w-]{1,255}")
_LIKE_A_VERSION = re.compile(r"[vV]\d+")


class About(Struct, frozen=True, kw_only=True):
    """A model and all that is said of it: aliases by name, and the stage of every version that was given one."""

    model: Model
    lineup: Lineup
    tags: dict[str, str]
    aliases: dict[str, int]
    stages: dict[int, str]


class Tagged(Struct, frozen=True):
    """A version and its tags."""

    version: Version
    tags: dict[str, str]


def aliases(about: About) -> dict[str, int]:
    """Versions by alias, in order of the aliases."""
    champion = about.lineup.champion
    return dict(sorted({**about.aliases, **({CHAMPION: champion} if champion else {})}.items()))


def stages(about: About) -> dict[int, str]:
    """The stage of every version which has one other than None."""
    champion = about.lineup.champion
    return {**about.stages, **({champion: PRODUCTION} if champion else {})}


def newest(about: About) -> dict[str, int]:
    """The newest version in each stage but None; in Production the champion, where there is one."""
    found = {stage: number for number, stage in sorted(stages(about).items())}
    return {**found, **({PRODUCTION: about.lineup.champion} if about.lineup.champion else {})}


def canonical(stage: str) -> str:
    """`stage` as MLflow writes it; its case doesn't matter.

    Raises
    ------
    InvalidInput
    """
    known = {name.lower(): name for name in STAGES}
    if stage.lower() not in known:
        raise InvalidInput(
            f"Invalid Model Version stage: {stage[:80]}. Value must be one of {', '.join(STAGES)}.", field="stage"
        )
    return known[stage.lower()]


def archived(about: About, stage: str, number: int) -> list[int]:
    """The versions other than `number` that are in `stage`, to be archived in its favour.

    Raises
    ------
    InvalidInput
        Nothing is archived in favour of None or Archived.
    """
    if stage not in {STAGING, PRODUCTION}:
        raise InvalidInput(
            f"versions can be archived in favour of {STAGING} or {PRODUCTION}, not of {stage}",
            field="archive_existing_versions",
        )
    return sorted(other for other, found in stages(about).items() if found == stage and other != number)


def check_beside(lineup: Lineup, version: Version) -> None:
    """Refuse to call a version without a package champion while a package serves.

    Raises
    ------
    NotPromotable
    """
    if version.state == State.UNPACKAGED and lineup.champion is not None:
        raise NotPromotable(
            f"version {version.version} holds no package and can't take over from version {lineup.champion}, which "
            f"serves {lineup.model}: delete the alias champion first",
            code="no_package",
        )


def check_alias(alias: str) -> str:
    """`alias`, if a version may be called so.

    Raises
    ------
    InvalidInput
        Not 1-255 letters, digits, `_` or `-`, or one that has a meaning of its own.
    """
    if not _ALIAS.fullmatch(alias):
        raise InvalidInput(f"Invalid alias name: {alias[:80]!r}: 1 to 255 letters, digits, _ or -", field="alias")
    if alias.lower() == "latest" or _LIKE_A_VERSION.fullmatch(alias):
        raise InvalidInput(f"the alias name {alias[:80]!r} is reserved", field="alias")
    return alias


def check_tags(tags: Mapping[str, str]) -> Mapping[str, str]:
    """`tags`, if they may be written as one.

    Raises
    ------
    InvalidInput
        Names the one at fault.
    """
    if len(tags) > MAX_FIRST_TAGS:
        raise InvalidInput(f"at most {MAX_FIRST_TAGS} tags at once, these are {len(tags)}", field="tags")
    for key, value in tags.items():
        check_key(key, "key")
        check_length(value, MAX_TAG, "value")
    return tags


def check_description(text: str | None) -> str | None:
    """`text`, if it isn't too long for a description.

    Raises
    ------
    InvalidInput
    """
    check_length(text or "", MAX_DESCRIPTION, "description")
    return text
