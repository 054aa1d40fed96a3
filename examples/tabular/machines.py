"""Made-up machines: three readings each, and whether they run well. No download, and the same rows everywhere.

A machine has a `temperature` in K (normal, 300 +- 2), a `torque` in Nm (normal, 40 +- 10, at least 4) and a part
`quality` of L, M or H (50, 30 and 20%; 5% unknown, null). With warmth = temperature - 300,

- it overheats where warmth + |torque - 40| / 8 + noise > 3, the noise normal with 0.5 K;
- else it is overstrained where torque + 2 warmth + noise is more than its parts bear, 48, 53 and 58 Nm (50 for the
  unknown), the noise normal with 2 Nm.

The noise keeps any model below 100%.
"""

from pathlib import Path
from random import Random
from typing import Any, Literal, NamedTuple

from zeroloop.digests import canonical, sha256
from zeroloop_training.project import Labelled

LABELS = ("healthy", "overheating", "overstrain")
N_MACHINES = 6000
SEED = 11

Split = Literal["train", "validation", "test"]

SPLITS: tuple[Split, ...] = ("train", "validation", "test")

_BEARS = {"L": 48.0, "M": 53.0, "H": 58.0, None: 50.0}


class Machine(NamedTuple):
    """Readings of a machine, by column, and how it runs."""

    features: dict[str, Any]
    label: str


def read() -> list[Machine]:
    """All machines. Python's own generator is used, whose numbers don't change between versions."""
    random = Random(SEED)  # noqa: S311 - made-up data, no secrets
    return [_machine(random) for _ in range(N_MACHINES)]


def _machine(random: Random) -> Machine:
    temperature = round(random.gauss(300, 2), 1)
    torque = round(max(random.gauss(40, 10), 4.0), 1)
    quality = random.choices(("L", "M", "H"), (50, 30, 20))[0] if random.random() >= 0.05 else None
    warmth = temperature - 300
    overheating = warmth + abs(torque - 40) / 8 + random.gauss(0, 0.5) > 3
    overstrain = torque + 2 * warmth + random.gauss(0, 2) > _BEARS[quality]
    label = "overheating" if overheating else "overstrain" if overstrain else "healthy"
    return Machine({"temperature": temperature, "torque": torque, "quality": quality}, label)


def part(machines: list[Machine], name: Split) -> list[Machine]:
    """70% train, 15% validation, 15% test, by position: their order is random already."""
    first, end = {"train": (0, 14), "validation": (14, 17), "test": (17, 20)}[name]
    return [machine for i, machine in enumerate(machines) if first <= i % 20 < end]


def labelled(file: Path | None) -> list[Labelled]:
    """All machines as the pipeline reads them, sliced by the quality of their parts."""
    if file:
        raise ValueError("these machines are made up by a program and read from no file")
    rows = read()
    splits = {id(row): name for name in SPLITS for row in part(rows, name)}
    return [
        Labelled(str(i), splits[id(row)], row.features, row.label, row.features, _sliced(row))
        for i, row in enumerate(rows)
    ]


def _sliced(machine: Machine) -> dict[str, str]:
    return {"quality": machine.features["quality"] or "unknown"}


def source() -> str:
    """The digest that packages of this example state."""
    return digest(read())


def digest(machines: list[Machine]) -> str:
    """SHA-256 of the rows' canonical JSON."""
    return sha256(canonical(machines))
