"""Names for runs that were given none: two words and a number. Pure."""

_HOW = (
    "amber", "brisk", "calm", "clever", "daring", "eager", "fair", "fleet", "gentle", "glad", "grand", "hardy",
    "humble", "keen", "kind", "lively", "lucid", "merry", "mild", "nimble", "noble", "patient", "placid", "proud",
    "quiet", "rapid", "rare", "serene", "sharp", "shy", "sleek", "spry", "steady", "stout", "subtle", "swift",
    "tidy", "trusty", "vivid", "wise",
)  # fmt: skip
_WHO = (
    "auk", "badger", "bison", "crane", "crow", "dolphin", "dove", "eagle", "elk", "falcon", "finch", "fox", "gull",
    "hare", "hawk", "heron", "ibis", "jay", "kestrel", "lark", "lynx", "magpie", "marten", "moth", "newt", "orca",
    "otter", "owl", "panda", "puffin", "quail", "raven", "robin", "seal", "shrew", "stork", "swan", "tern", "vole",
    "wren",
)  # fmt: skip


def from_random(random: str) -> str:
    """A name out of random hex digits, 12 at the least: `keen-heron-482`."""
    how, who, number = (int(random[at : at + 4], 16) for at in (0, 4, 8))
    return f"{_HOW[how % len(_HOW)]}-{_WHO[who % len(_WHO)]}-{number % 1000}"
