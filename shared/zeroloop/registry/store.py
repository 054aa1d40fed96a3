"""RegistryTable: one partition a model, plus guards by name and a catalogue.

    NAME#<name>      NAME                the guard that makes a name unique -> model_id
    MODELS           <name>              the catalogue: the same, to be listed
    MODEL#<model_id> MODEL               the model and its version counter
    MODEL#<model_id> LINEUP              who serves; predict reads this one item (`inference/lineups.py`)
    MODEL#<model_id> NAMED#<alias>       the version that is called so; never the champion, whom the lineup names
    MODEL#<model_id> STAGE#00000001      the stage of a version, if it was given one
    MODEL#<model_id> TAG#<key>           a tag of the model
    MODEL#<model_id> VERSION#00000001    a version
    MODEL#<model_id> VERSION#00000001#TAG#<key>  a tag of the version
    MODEL#<model_id> DIGEST#<digest>     the guard that makes the same manifest the same version -> version
    MODEL#<model_id> AUDIT#00000001      the audit record of the lineup's revision 1
    MODEL#<model_id> GATES               what is asked of its versions before they serve, if anything is
    MODEL#<model_id> EVALUATION#00000001 what was found of a version before it was registered

LINEUP to TAG# stand side by side, so that one query reads all that is said of a model. `body` is the value as its
contract's JSON; what is conditioned on or added later is an attribute beside it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec
from msgspec.structs import replace
from pynamodb.attributes import BooleanAttribute, UnicodeAttribute

from zeroloop import table
from zeroloop.registry import rules
from zeroloop.registry.audit import Record, Turn
from zeroloop.registry.gates import Evaluation, Gates, Kept
from zeroloop.registry.labels import CHAMPION, About, Tagged
from zeroloop.registry.rules import Approval, Facts, Lineup, Model, State, Version
from zeroloop.table import Action, IntAttribute, Row, translated

_CATALOGUE = "MODELS"
# Two items for each version whose stage changes, of the 100 that a transaction may have.
_MOST_STAGES = 45
_MOST_ALIASES = 90


class _NameRow(Row):
    model_id = UnicodeAttribute()


class _ModelRow(Row):
    model_id = UnicodeAttribute()
    name = UnicodeAttribute()
    created_at = IntAttribute()
    updated_at = IntAttribute()
    description = UnicodeAttribute(null=True)
    latest_version = IntAttribute()


class _LineupRow(Row):
    revision = IntAttribute()
    body = UnicodeAttribute()


class _LabelRow(Row):
    """An alias's or a stage's version, a version's stage, or a tag's value."""

    version = IntAttribute(null=True)
    value = UnicodeAttribute(null=True)


class _AboutRow(_ModelRow, _LineupRow, _LabelRow):
    """Any row from LINEUP to TAG#, for reading: it has the attributes of its kind."""


class _VersionRow(Row):
    """A version, or, with nothing but a value, one of its tags."""

    body = UnicodeAttribute()
    state = UnicodeAttribute()
    reason = UnicodeAttribute(null=True)
    facts = UnicodeAttribute(null=True)
    served = BooleanAttribute(default=False)
    answered = BooleanAttribute(null=True)
    description = UnicodeAttribute(null=True)
    updated_at = IntAttribute(null=True)
    approval = UnicodeAttribute(null=True)
    value = UnicodeAttribute(null=True)


class _DigestRow(Row):
    version = IntAttribute()


class _AuditRow(Row):
    body = UnicodeAttribute()


class _KeptRow(Row):
    """Gates, or an evaluation."""

    body = UnicodeAttribute()
    actor = UnicodeAttribute()
    at = IntAttribute()


class RegistryStore:
    """Models, versions, lineups and audit records as domain values. All reads are strongly consistent."""

    def __init__(self, table_name: str) -> None:
        rows = (_NameRow, _ModelRow, _LineupRow, _LabelRow, _AboutRow, _VersionRow, _DigestRow, _AuditRow, _KeptRow)
        table.bind(table_name, *rows)

    def get_model(self, name: str) -> Model | None:
        """The model called `name`."""
        with translated(f"model {name}"):
            guard = _get(_NameRow, f"NAME#{name}", "NAME")
            row = _get(_ModelRow, _pk(guard.model_id), "MODEL") if guard else None
            return _model(row) if row else None

    def get_about(self, name: str) -> About | None:
        """The model called `name` and all that is said of it: two reads."""
        with translated(f"model {name}"):
            guard = _get(_NameRow, f"NAME#{name}", "NAME")
            return _about(guard.model_id) if guard else None

    def list_models(
        self, after: str | None, limit: int | None, wanted: Callable[[str], bool] = lambda _name: True
    ) -> Iterator[About]:
        """Models by name, but only `wanted` names; `after` is the last name of the page before.

        Each is read when it is asked for.
        """
        keys = (_NameRow.sk > after) if after else None
        with translated("the list of models"):
            for row in _NameRow.query(_CATALOGUE, keys, limit=limit, consistent_read=True):
                if wanted(row.sk) and (about := _about(row.model_id)):
                    yield about

    def create_model(self, model: Model, lineup: Lineup, tags: Mapping[str, str] | None = None) -> None:
        """Claim the name and write model, lineup and tags; Conflict if the name is taken."""
        pk = _pk(model.model_id)
        table.commit(
            f"model {model.name}",
            *_claim(model.name, model.model_id),
            table.save(_model_row(model), _ModelRow.pk.does_not_exist()),
            table.save(_lineup_row(lineup), _LineupRow.pk.does_not_exist()),
            *(table.save(_LabelRow(pk, f"TAG#{key}", value=value)) for key, value in (tags or {}).items()),
        )

    def rename_model(self, turn: Turn, model: Model) -> None:
        """Give the model of `turn` its new name; Conflict if that is taken, or if the model was renamed or deleted."""
        old, new = turn.before.model, model.name
        row = _ModelRow(_pk(model.model_id), "MODEL")
        table.commit(
            f"model {old}",
            *_release(old, model.model_id),
            *_claim(new, model.model_id),
            table.update(
                row, [_ModelRow.name.set(new), _ModelRow.updated_at.set(model.updated_at)], _ModelRow.name == old
            ),
            *_turn(turn),
        )

    def delete_model(self, turn: Turn) -> None:
        """Free the model's name and forget the model; of its partition the audit chain stays."""
        model_id, name = turn.before.model_id, turn.before.model
        pk = _pk(model_id)
        row = _ModelRow(pk, "MODEL")
        table.commit(
            f"model {name}",
            *_release(name, model_id),
            table.delete(row, _ModelRow.name == name),
            table.delete(_LineupRow(pk, "LINEUP"), _LineupRow.revision == turn.before.revision),
            *_recorded(turn),
        )
        # Whoever writes a label or a version checks that its model or version is there, so nothing comes after this.
        _sweep(pk, lambda sk: not sk.startswith("AUDIT#"))

    def describe_model(self, model: Model) -> None:
        """Write the model's description; Conflict if it was deleted."""
        row = _ModelRow(_pk(model.model_id), "MODEL")
        changes: list[Any] = [_ModelRow.description.set(model.description), _ModelRow.updated_at.set(model.updated_at)]
        with translated(f"model {model.name}"):
            row.update(changes, _ModelRow.pk.exists())

    def get_lineup(self, model_id: str) -> Lineup:
        """Who serves of a model that exists."""
        with translated("the lineup"):
            row = _LineupRow.get(_pk(model_id), "LINEUP", consistent_read=True)
        return msgspec.json.decode(row.body, type=Lineup)

    def find_lineup(self, model_id: str) -> Lineup | None:
        """Who serves of a model; None if it was deleted."""
        with translated("the lineup"):
            row = _get(_LineupRow, _pk(model_id), "LINEUP")
        return msgspec.json.decode(row.body, type=Lineup) if row else None

    def save_lineup(self, turn: Turn, stages: Mapping[int, str] | None = None, *, at: int = 0) -> None:
        """Change the lineup and write its audit record, or neither; Conflict if it isn't as `turn` read it any more.

        A version that begins to answer callers must be READY still and is marked, and as having served, if it is
        champion. `stages` of versions are written with it; where they are dozens, the first of them before it.
        """
        pk, given = _pk(turn.after.model_id), list((stages or {}).items())
        what = f"the lineup of {turn.after.model}{', or what was found of the version,' if turn.judged else ''}"
        while len(given) > _MOST_STAGES:
            first, given = given[:_MOST_STAGES], given[_MOST_STAGES:]
            table.commit(what, *(action for number, stage in first for action in _put_stage(pk, number, stage, at)))
        begin: dict[int, list[Any]] = {
            number: [_VersionRow.answered.set(True)]
            for number in sorted(rules.answering(turn.after) - rules.answering(turn.before))
        }
        if turn.after.champion and turn.after.champion != turn.before.champion:
            begin.setdefault(turn.after.champion, []).append(_VersionRow.served.set(True))
        actions = [
            action
            for number, stage in {**dict.fromkeys(begin), **dict(given)}.items()
            for action in _put_stage(pk, number, stage, at, begin.get(number))
        ]
        table.commit(what, *_turn(turn), *actions, *([_touch_model(pk, at)] if stages else []))

    def get_gates(self, model_id: str) -> Kept | None:
        """What is asked of the model's versions; the body is `Gates`."""
        return self._kept(model_id, "GATES", Gates)

    def set_gates(self, turn: Turn, kept: Kept | None) -> None:
        """Ask this of the model's versions from now on, or nothing, and write the record of it."""
        pk = _pk(turn.after.model_id)
        row = _kept_row(pk, "GATES", kept) if kept else _KeptRow(pk, "GATES")
        table.commit(f"the gates of {turn.after.model}", *_turn(turn), table.save(row) if kept else table.delete(row))

    def get_evaluation(self, model_id: str, number: int) -> Kept | None:
        """What was found of a version; the body is `Evaluation`."""
        return self._kept(model_id, f"EVALUATION#{number:08}", Evaluation)

    def list_evaluations(self, model_id: str, before: int | None, limit: int) -> list[tuple[int, Kept]]:
        """Evaluations with the numbers of their versions, newest version first, from below number `before`."""
        with translated("the evaluations"):
            rows = islice(_newest(_KeptRow, model_id, "EVALUATION#", before, limit), limit)
            return [(int(row.sk.partition("#")[2]), _kept(row, Evaluation)) for row in rows]

    def set_evaluation(self, version: Version, kept: Kept, before: Kept | None) -> None:
        """Keep what was found of a version, in place of what was kept `before`.

        Raises
        ------
        Conflict
            It was deleted meanwhile, has begun to answer callers, or something else is kept.
        """
        pk, number = _pk(version.model_id), version.version
        there = _VersionRow.pk.exists()
        as_read = there if version.answered else there & _VersionRow.answered.does_not_exist()
        row = _kept_row(pk, f"EVALUATION#{number:08}", kept)
        table.commit(
            f"the evaluation of version {number}",
            table.check(_VersionRow(pk, _version_sk(number)), as_read),
            table.save(row, _kept_since(before.at if before else None)),
        )

    def approve(self, turn: Turn, version: Version) -> None:
        """Write the version's approval and the record of it."""
        row = _VersionRow(_pk(version.model_id), _version_sk(version.version))
        said = [_VersionRow.approval.set(_json(version.approval))]
        table.commit(f"version {version.version}", *_turn(turn), table.update(row, said, _VersionRow.pk.exists()))

    def _kept(self, model_id: str, sk: str, kind: type[Gates | Evaluation]) -> Kept | None:
        with translated(sk.lower()):
            row = _get(_KeptRow, _pk(model_id), sk)
        return _kept(row, kind) if row else None

    def get_record(self, model_id: str, revision: int) -> Record | None:
        """The audit record that made the lineup's `revision`."""
        with translated("the audit"):
            row = _get(_AuditRow, _pk(model_id), f"AUDIT#{revision:08}")
        return msgspec.json.decode(row.body, type=Record) if row else None

    def list_records(self, model_id: str, before: int | None, limit: int) -> list[dict[str, Any]]:
        """Audit records as stored, newest first, from below revision `before`."""
        with translated("the audit"):
            rows = _newest(_AuditRow, model_id, "AUDIT#", before, limit)
            return [msgspec.json.decode(row.body) for row in islice(rows, limit)]

    def get_version(self, model_id: str, number: int) -> Version | None:
        """One version."""
        with translated(f"version {number}"):
            row = _get(_VersionRow, _pk(model_id), _version_sk(number))
        return _version(row) if row else None

    def get_tagged(self, model_id: str, number: int) -> Tagged | None:
        """One version and its tags: one read."""
        keys = _VersionRow.sk.between(_version_sk(number), _version_sk(number) + "$")  # $ follows the # of #TAG#
        with translated(f"version {number}"):
            rows = _VersionRow.query(_pk(model_id), keys, scan_index_forward=False, consistent_read=True)
            return next(_tagged(rows), None)

    def find_version(self, model_id: str, digest: str) -> Version | None:
        """The version whose manifest has `digest`."""
        with translated("the version"):
            guard = _get(_DigestRow, _pk(model_id), f"DIGEST#{digest}")
        return self.get_version(model_id, guard.version) if guard else None

    def list_versions(self, model_id: str, before: int | None = None, page: int = 100) -> Iterator[Tagged]:
        """Versions and their tags, newest first, from below number `before`; read as they are asked for."""
        with translated("the versions"):
            yield from _tagged(_newest(_VersionRow, model_id, "VERSION#", before, page))

    def add_version(self, version: Version, tags: Mapping[str, str] | None = None) -> None:
        """Write the version after the model's latest; Conflict if another took its number or has its manifest."""
        pk, sk = _pk(version.model_id), _version_sk(version.version)
        counter = _ModelRow(pk, "MODEL")
        number = version.version
        count = [_ModelRow.latest_version.set(number), _ModelRow.updated_at.set(version.created_at)]
        guard = _DigestRow(pk, f"DIGEST#{version.digest}", version=number)
        table.commit(
            f"version {number}",
            table.update(counter, count, _ModelRow.latest_version == number - 1),
            table.save(_version_row(version), _VersionRow.pk.does_not_exist()),
            *([] if version.origin else [table.save(guard, _DigestRow.pk.does_not_exist())]),
            *(table.save(_LabelRow(pk, f"{sk}#TAG#{key}", value=value)) for key, value in (tags or {}).items()),
        )

    def delete_version(self, turn: Turn, version: Version, aliases: Sequence[str], *, at: int) -> None:
        """Delete a version that doesn't serve, with all that is said of it."""
        pk, sk, number = _pk(version.model_id), _version_sk(version.version), version.version
        for alias in aliases[_MOST_ALIASES:]:
            self.delete_alias(version.model_id, alias)
        named = [_LabelRow(pk, f"NAMED#{alias}") for alias in aliases[:_MOST_ALIASES]]
        guard = [] if version.origin else [table.delete(_DigestRow(pk, f"DIGEST#{version.digest}"))]
        table.commit(
            f"version {number}",
            table.delete(_VersionRow(pk, sk), _VersionRow.pk.exists()),
            table.delete(_LabelRow(pk, f"STAGE#{number:08}")),
            table.delete(_KeptRow(pk, f"EVALUATION#{number:08}")),
            _touch_model(pk, at),
            *guard,
            *(table.delete(row, _LabelRow.version == number) for row in named),
            *_turn(turn),
        )
        _sweep(pk, lambda other: other.startswith(f"{sk}#"), _VersionRow.sk.startswith(f"{sk}#"))

    def describe_version(self, version: Version, *, at: int) -> None:
        """Write the version's description, or take it out; Conflict if it was deleted."""
        row = _VersionRow(_pk(version.model_id), _version_sk(version.version))
        text = version.description
        changes: list[Any] = [_VersionRow.description.remove() if text is None else _VersionRow.description.set(text)]
        with translated(f"version {version.version}"):
            row.update([*changes, _VersionRow.updated_at.set(at)], _VersionRow.pk.exists())

    def reopen(self, version: Version) -> None:
        """Make a FAILED version PENDING again; Conflict if it isn't FAILED any more."""
        row = _VersionRow(_pk(version.model_id), _version_sk(version.version))
        with translated(f"version {version.version}"):
            row.update(
                [_VersionRow.state.set(State.PENDING), _VersionRow.reason.remove()], _VersionRow.state == State.FAILED
            )

    def settle(self, version: Version) -> None:
        """Write what admission found of a PENDING version, once; Conflict if it is settled already."""
        row = _VersionRow(_pk(version.model_id), _version_sk(version.version))
        facts = [_VersionRow.facts.set(_json(version.facts))] if version.facts else []
        reason = [_VersionRow.reason.set(version.reason)] if version.reason else []
        body = [_VersionRow.body.set(_json(version))] if version.origin else []  # its digest and files were found now
        with translated(f"version {version.version}"):
            row.update(
                [_VersionRow.state.set(version.state), *reason, *facts, *body], _VersionRow.state == State.PENDING
            )

    def set_tag(self, model_id: str, number: int | None, key: str, value: str) -> None:
        """Write a tag of the model, or of its version `number`; Conflict if that isn't there."""
        pk = _pk(model_id)
        sk = f"{_version_sk(number)}#TAG#{key}" if number else f"TAG#{key}"
        owner = _VersionRow(pk, _version_sk(number)) if number else _ModelRow(pk, "MODEL")
        table.commit(f"tag {key}", table.check(owner, Row.pk.exists()), table.save(_LabelRow(pk, sk, value=value)))

    def delete_tag(self, model_id: str, number: int | None, key: str) -> None:
        """Delete a tag; one that isn't there is deleted already."""
        sk = f"{_version_sk(number)}#TAG#{key}" if number else f"TAG#{key}"
        with translated(f"tag {key}"):
            _LabelRow(_pk(model_id), sk).delete()

    def set_alias(self, turn: Turn, alias: str, number: int) -> None:
        """Call a version `alias`; Conflict if it was deleted, or if the lineup isn't as `turn` read it any more."""
        pk = _pk(turn.before.model_id)
        table.commit(
            f"alias {alias}",
            table.check(_VersionRow(pk, _version_sk(number)), _VersionRow.pk.exists()),
            table.save(_LabelRow(pk, f"NAMED#{alias}", version=number)),
            *_turn(turn),
        )

    def delete_alias(self, model_id: str, alias: str) -> None:
        """Delete an alias; one that isn't there is deleted already."""
        with translated(f"alias {alias}"):
            _LabelRow(_pk(model_id), f"NAMED#{alias}").delete()


def _kept_row(pk: str, sk: str, kept: Kept) -> _KeptRow:
    return _KeptRow(pk, sk, body=_json(kept.body), actor=kept.actor, at=kept.at)


def _kept(row: Any, kind: type[Gates | Evaluation]) -> Kept:
    return Kept(body=msgspec.json.decode(row.body, type=kind), actor=row.actor, at=row.at)


def _kept_since(at: int | None) -> Any:
    return _KeptRow.pk.does_not_exist() if at is None else _KeptRow.at == at


def _turn(turn: Turn) -> list[Action]:
    """The lineup from before to after with its record, and a look that what versions were judged by is kept still.

    Or only a look that the lineup still is as it was.
    """
    pk, at_hand = _pk(turn.before.model_id), _LineupRow.revision == turn.before.revision
    if turn.record is None:
        return [table.check(_LineupRow(pk, "LINEUP"), at_hand)]
    actions = [table.save(_lineup_row(turn.after), at_hand), *_recorded(turn)]
    actions += [
        table.check(_KeptRow(pk, f"EVALUATION#{number:08}"), _kept_since(at)) for number, at in turn.judged.items()
    ]
    if turn.before.champion is None and turn.after.champion is not None:
        # A version without a package may have been called champion while nobody served.
        actions.append(table.delete(_LabelRow(pk, f"NAMED#{CHAMPION}")))
    return actions


def _recorded(turn: Turn) -> list[Action]:
    row = _AuditRow(_pk(turn.before.model_id), f"AUDIT#{turn.after.revision:08}", body=_json(turn.record))
    return [table.save(row, _AuditRow.pk.does_not_exist())]


def _put_stage(pk: str, number: int, stage: str | None, at: int, begins: list[Any] | None = None) -> list[Action]:
    """Write a version's stage, if one is given, and in the same update that it begins to answer."""
    changes = [_VersionRow.updated_at.set(at)] if stage else []
    label = [table.save(_LabelRow(pk, f"STAGE#{number:08}", version=number, value=stage))] if stage else []
    condition = (_VersionRow.state == State.READY) if begins else _VersionRow.pk.exists()
    changes += begins or []
    return [table.update(_VersionRow(pk, _version_sk(number)), changes, condition), *label]


def _touch_model(pk: str, at: int) -> Action:
    return table.update(_ModelRow(pk, "MODEL"), [_ModelRow.updated_at.set(at)], _ModelRow.pk.exists())


def _claim(name: str, model_id: str) -> list[Action]:
    guard = _NameRow(f"NAME#{name}", "NAME", model_id=model_id)
    return [table.save(guard, _NameRow.pk.does_not_exist()), table.save(_NameRow(_CATALOGUE, name, model_id=model_id))]


def _release(name: str, model_id: str) -> list[Action]:
    guard = _NameRow(f"NAME#{name}", "NAME")
    return [table.delete(guard, _NameRow.model_id == model_id), table.delete(_NameRow(_CATALOGUE, name))]


def _sweep(pk: str, gone: Callable[[str], bool], keys: Any = None) -> None:
    """Delete what nothing refers to any more; cut short, it leaves rows that nobody reads."""
    with translated("what was deleted"), _LabelRow.batch_write() as batch:
        for row in _LabelRow.query(pk, keys, attributes_to_get=["pk", "sk"], consistent_read=True):
            if gone(row.sk):
                batch.delete(row)


def _pk(model_id: str) -> str:
    return f"MODEL#{model_id}"


def _version_sk(number: int) -> str:
    return f"VERSION#{number:08}"


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _get(row: Any, pk: str, sk: str) -> Any:
    try:
        return row.get(pk, sk, consistent_read=True)
    except row.DoesNotExist:
        return None


def _newest(row: Any, model_id: str, prefix: str, before: int | None, page: int) -> Iterator[Any]:
    top = f"{prefix}{(before - 1) if before else 99_999_999:08}$"
    keys = row.sk.between(f"{prefix}{0:08}", top)
    return iter(row.query(_pk(model_id), keys, scan_index_forward=False, page_size=page, consistent_read=True))


def _tagged(rows: Any) -> Iterator[Tagged]:
    """Versions of rows in falling order: the tags come before their version."""
    tags: dict[str, str] = {}
    for row in rows:
        _, _, key = row.sk.partition("#TAG#")
        if key:
            tags[key] = row.value
        else:
            yield Tagged(_version(row), dict(sorted(tags.items())))
            tags = {}


def _about(model_id: str) -> About | None:
    """All that is said of a model; None if it was deleted."""
    rows = _AboutRow.query(_pk(model_id), _AboutRow.sk.between("LINEUP", "TAG$"), consistent_read=True)
    kinds: dict[str, list[tuple[str, Any]]] = {"LINEUP": [], "MODEL": [], "NAMED": [], "STAGE": [], "TAG": []}
    for row in rows:
        kind, _, rest = row.sk.partition("#")
        kinds[kind].append((rest, row))
    if not kinds["MODEL"]:
        return None
    [(_, model)], [(_, lineup)] = kinds["MODEL"], kinds["LINEUP"]
    return About(
        model=_model(model),
        lineup=msgspec.json.decode(lineup.body, type=Lineup),
        tags={key: row.value for key, row in kinds["TAG"]},
        aliases={alias: row.version for alias, row in kinds["NAMED"]},
        stages={row.version: row.value for _, row in kinds["STAGE"]},
    )


def _model(row: Any) -> Model:
    return Model(
        model_id=row.model_id,
        name=row.name,
        created_at=row.created_at,
        updated_at=row.updated_at,
        description=row.description or "",
        latest_version=row.latest_version,
    )


def _model_row(model: Model) -> _ModelRow:
    return _ModelRow(_pk(model.model_id), "MODEL", **msgspec.structs.asdict(model))


def _lineup_row(lineup: Lineup) -> _LineupRow:
    return _LineupRow(_pk(lineup.model_id), "LINEUP", revision=lineup.revision, body=_json(lineup))


def _version_row(version: Version) -> _VersionRow:
    return _VersionRow(
        _pk(version.model_id),
        _version_sk(version.version),
        body=_json(version),
        state=version.state,
        description=version.description,
    )


def _version(row: _VersionRow) -> Version:
    return replace(
        msgspec.json.decode(row.body, type=Version),
        state=State(row.state),
        reason=row.reason,
        facts=msgspec.json.decode(row.facts, type=Facts) if row.facts else None,
        served=bool(row.served),
        answered=bool(row.served or row.answered),
        description=row.description,
        updated_at=row.updated_at,
        approval=msgspec.json.decode(row.approval, type=Approval) if row.approval else None,
    )
