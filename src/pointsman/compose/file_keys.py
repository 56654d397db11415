"""Keys that stand in the configuration, with their secrets from the environment."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from pointsman.access.keys import FileKey
from pointsman.config import schema
from pointsman.core.expiry import read_date
from pointsman.core.key import FILE_IDS, BudgetRow, KeyRow
from pointsman.core.key_terms import read_amount

_log = logging.getLogger("pointsman")
LEAST_CHARS = 20
"""A key that people make up themselves has to be long: it is kept as a fast digest, which guessers could try."""


def file_keys(said: Iterable[schema.Key], env: Mapping[str, str]) -> tuple[FileKey, ...]:
    """The keys of a configuration; one whose variable holds no good secret is there, and opens nothing."""
    return tuple([_key(one, env) for one in said])


def warn_of(keys: Iterable[FileKey]) -> None:
    """Say in the log which variables of theirs hold no good secret."""
    for one in keys:
        for fault in one.faults:
            variable, _, why = fault.partition(" ")
            _log.warning("the key %s of the configuration does not open with %s, which %s", one.row.name, variable, why)


def _key(said: schema.Key, env: Mapping[str, str]) -> FileKey:
    variables = [variable for variable in (said.env, said.old_env) if variable]
    secrets = tuple([env[variable] for variable in variables if not _fault(variable, env)])
    faults = [f"${variable} {fault}" for variable in variables if (fault := _fault(variable, env))]
    row = KeyRow(
        id=f"{FILE_IDS}{said.name}",
        name=said.name,
        prefix=f"${said.env}",
        digest="",
        created=0,
        team=said.team,
        project=said.project,
        allow=said.allow,
        parallel=said.parallel,
        role=said.role,
        expires=read_date(said.expires) if said.expires else None,
    )
    return FileKey(row=row, secrets=secrets, budgets=_budgets(said, row.id), faults=tuple(faults))


def _fault(variable: str, env: Mapping[str, str]) -> str:
    """What is wrong with the secret in a variable; empty: nothing."""
    if not env.get(variable):
        return "is not set here"
    return "" if len(env[variable]) >= LEAST_CHARS else f"has fewer than {LEAST_CHARS} characters"


def _budgets(said: schema.Key, key_id: str) -> tuple[BudgetRow, ...]:
    amounts = [read_amount(text) for text in said.budgets]
    return tuple(
        [
            BudgetRow(
                id=f"{key_id}/{one.unit}/{one.period}",
                subject=key_id,
                unit=one.unit,
                limit=one.limit,
                period=one.period,
                key=key_id,
                created=0,
            )
            for one in amounts
        ]
    )
