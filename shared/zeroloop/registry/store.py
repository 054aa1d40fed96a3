"""RegistryTable: one partition a model, plus guards by name.

    NAME#<name>      NAME              the guard that makes a name unique -> model_id
    MODEL#<model_id> MODEL             the model and its version counter
    MODEL#<model_id> LINEUP            who serves; predict reads this one item (`inference/lineups.py`)
    MODEL#<model_id> VERSION#00000001  a version
    MODEL#<model_id> DIGEST#<digest>   the guard that makes the same bytes the same version -> version
    MODEL#<model_id> AUDIT#00000001    the audit record of the lineup's revision 1

`body` is the value as its contract's JSON; what is conditioned on, indexed or added later is an attribute beside it.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
from pynamodb.attributes import BooleanAttribute, UnicodeAttribute
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex

from zeroloop import table
from zeroloop.registry.audit import Record
from zeroloop.registry.rules import Facts, Lineup, Model, State, Version
from zeroloop.table import IntAttribute, Row, translated


class _Listing(GlobalSecondaryIndex["_ModelRow"]):  # type: ignore[no-untyped-call]
    class Meta:
        index_name = "listing"
        projection = AllProjection()

    listing = UnicodeAttribute(hash_key=True)
    name = UnicodeAttribute(range_key=True)


class _NameRow(Row):
    class Meta:
        table_name = "bound at cold start"

    model_id = UnicodeAttribute()


class _ModelRow(Row):
    class Meta:
        table_name = "bound at cold start"

    model_id = UnicodeAttribute()
    listing = UnicodeAttribute(default="models")
    name = UnicodeAttribute()
    created_at = IntAttribute()
    latest_version = IntAttribute()
    by_name = _Listing()


class _LineupRow(Row):
    class Meta:
        table_name = "bound at cold start"

    revision = IntAttribute()
    body = UnicodeAttribute()


class _VersionRow(Row):
    class Meta:
        table_name = "bound at cold start"

    body = UnicodeAttribute()
    state = UnicodeAttribute()
    reason = UnicodeAttribute(null=True)
    facts = UnicodeAttribute(null=True)
    served = BooleanAttribute(default=False)


class _DigestRow(Row):
    class Meta:
        table_name = "bound at cold start"

    version = IntAttribute()


class _AuditRow(Row):
    class Meta:
        table_name = "bound at cold start"

    body = UnicodeAttribute()


class RegistryStore:
    """Models, versions, lineups and audit records as domain values. All reads by key are strongly consistent."""

    def __init__(self, table_name: str) -> None:
        table.bind(table_name, _NameRow, _ModelRow, _LineupRow, _VersionRow, _DigestRow, _AuditRow)

    def get_model(self, name: str) -> Model | None:
        """The model called `name`."""
        with translated(f"model {name}"):
            guard = _get(_NameRow, f"NAME#{name}", "NAME")
            return _model(_get(_ModelRow, _pk(guard.model_id), "MODEL")) if guard else None

    def list_models(self, after: str | None, limit: int) -> list[Model]:
        """Models by name, eventually consistent; `after` is the last name of the page before."""
        condition = (_ModelRow.name > after) if after else None
        with translated("the list of models"):
            rows = _ModelRow.by_name.query("models", condition, limit=limit)
            return [model for row in rows if (model := _model(row))]

    def create_model(self, model: Model, lineup: Lineup) -> None:
        """Claim the name and write model and lineup; Conflict if the name is taken."""
        table.commit(
            f"model {model.name}",
            table.save(_NameRow(f"NAME#{model.name}", "NAME", model_id=model.model_id), _NameRow.pk.does_not_exist()),
            table.save(_model_row(model), _ModelRow.pk.does_not_exist()),
            table.save(_lineup_row(lineup), _LineupRow.pk.does_not_exist()),
        )

    def get_lineup(self, model_id: str) -> Lineup:
        """The lineup of a model that exists."""
        with translated("the lineup"):
            row = _LineupRow.get(_pk(model_id), "LINEUP", consistent_read=True)
        return msgspec.json.decode(row.body, type=Lineup)

    def save_lineup(self, before: Lineup, after: Lineup, record: Record) -> None:
        """Change the lineup and write its audit record, or neither; Conflict if it isn't at `before` any more.

        A version that becomes champion must be READY still, and is marked as having served.
        """
        pk = _pk(after.model_id)
        actions = [
            table.save(_lineup_row(after), _LineupRow.revision == before.revision),
            table.save(
                _AuditRow(pk, f"AUDIT#{after.revision:08}", body=msgspec.json.encode(record).decode()),
                _AuditRow.pk.does_not_exist(),
            ),
        ]
        if after.champion not in {None, before.champion}:
            champion = _VersionRow(pk, _version_sk(after.champion or 0))
            actions.append(table.update(champion, [_VersionRow.served.set(True)], _VersionRow.state == State.READY))
        table.commit(f"the lineup of {after.model}", *actions)

    def get_record(self, model_id: str, revision: int) -> Record | None:
        """The audit record that made the lineup's `revision`."""
        with translated("the audit"):
            row = _get(_AuditRow, _pk(model_id), f"AUDIT#{revision:08}")
        return msgspec.json.decode(row.body, type=Record) if row else None

    def list_records(self, model_id: str, before: int | None, limit: int) -> list[dict[str, Any]]:
        """Audit records as stored, newest first, from below revision `before`."""
        with translated("the audit"):
            rows = _newest(_AuditRow, model_id, "AUDIT#", before, limit)
            return [msgspec.json.decode(row.body) for row in rows]

    def get_version(self, model_id: str, number: int) -> Version | None:
        """One version."""
        with translated(f"version {number}"):
            row = _get(_VersionRow, _pk(model_id), _version_sk(number))
        return _version(row) if row else None

    def find_version(self, model_id: str, digest: str) -> Version | None:
        """The version whose package has `digest`."""
        with translated("the version"):
            guard = _get(_DigestRow, _pk(model_id), f"DIGEST#{digest}")
        return self.get_version(model_id, guard.version) if guard else None

    def list_versions(self, model_id: str, before: int | None, limit: int) -> list[Version]:
        """Versions, newest first, from below number `before`."""
        with translated("the versions"):
            return [_version(row) for row in _newest(_VersionRow, model_id, "VERSION#", before, limit)]

    def add_version(self, version: Version) -> None:
        """Write the version that follows the model's latest; Conflict if another took its number or has its bytes."""
        pk = _pk(version.model_id)
        counter = _ModelRow(pk, "MODEL")
        table.commit(
            f"version {version.version}",
            table.update(
                counter,
                [_ModelRow.latest_version.set(version.version)],
                _ModelRow.latest_version == version.version - 1,
            ),
            table.save(_version_row(version), _VersionRow.pk.does_not_exist()),
            table.save(
                _DigestRow(pk, f"DIGEST#{version.digest}", version=version.version), _DigestRow.pk.does_not_exist()
            ),
        )

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
        facts = [_VersionRow.facts.set(msgspec.json.encode(version.facts).decode())] if version.facts else []
        reason = [_VersionRow.reason.set(version.reason)] if version.reason else []
        with translated(f"version {version.version}"):
            row.update([_VersionRow.state.set(version.state), *reason, *facts], _VersionRow.state == State.PENDING)


def _pk(model_id: str) -> str:
    return f"MODEL#{model_id}"


def _version_sk(number: int) -> str:
    return f"VERSION#{number:08}"


def _get(row: Any, pk: str, sk: str) -> Any:
    try:
        return row.get(pk, sk, consistent_read=True)
    except row.DoesNotExist:
        return None


def _newest(row: Any, model_id: str, prefix: str, before: int | None, limit: int) -> Iterator[Any]:
    top = f"{prefix}{(before - 1) if before else 99_999_999:08}"
    keys = row.sk.between(f"{prefix}{0:08}", top)
    return iter(row.query(_pk(model_id), keys, scan_index_forward=False, limit=limit, consistent_read=True))


def _model(row: _ModelRow | None) -> Model | None:
    if row is None:
        return None
    return Model(model_id=row.model_id, name=row.name, created_at=row.created_at, latest_version=row.latest_version)


def _model_row(model: Model) -> _ModelRow:
    return _ModelRow(
        _pk(model.model_id),
        "MODEL",
        model_id=model.model_id,
        name=model.name,
        created_at=model.created_at,
        latest_version=model.latest_version,
    )


def _lineup_row(lineup: Lineup) -> _LineupRow:
    body = msgspec.json.encode(lineup).decode()
    return _LineupRow(_pk(lineup.model_id), "LINEUP", revision=lineup.revision, body=body)


def _version_row(version: Version) -> _VersionRow:
    body = msgspec.json.encode(version).decode()
    return _VersionRow(_pk(version.model_id), _version_sk(version.version), body=body, state=version.state)


def _version(row: _VersionRow) -> Version:
    facts = msgspec.json.decode(row.facts, type=Facts) if row.facts else None
    version = msgspec.json.decode(row.body, type=Version)
    return msgspec.structs.replace(
        version, state=State(row.state), reason=row.reason, facts=facts, served=bool(row.served)
    )
