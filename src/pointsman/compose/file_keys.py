"""Keys that stand in the configuration, with their secrets from the environment."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from pointsman.access.keys import FileKey
from pointsman.config import schema
from pointsman.core.key import FILE_IDS, BudgetRow, KeyRow
from pointsman.core.key_terms import read_amount

_log = logging.getLogger("pointsman")
LEAST_CHARS = 20
"""A key that people make up themselves has to be long: it is kept as a fast digest, which guessers could try."""


def file_keys(said: Iterable[schema.Key], env: Mapping[str, str]) -> tuple[FileKey, ...]:
    """The keys of a configuration; one whose variable holds no good secret is there, and opens nothing."""
    return tuple([_key(one, env) for one in said])


def _key(said: schema.Key, env: Mapping[str, str]) -> FileKey:
    variables = [variable for variable in (said.env, said.old_env) if variable]
    secrets = tuple([env[variable] for variable in variables if len(env.get(variable, "")) >= LEAST_CHARS])
    for variable in variables:
        if len(env.get(variable, "")) < LEAST_CHARS:
            why = f"has fewer than {LEAST_CHARS} characters" if env.get(variable) else "is not set"
            _log.warning("the key %s of the configuration does not open with $%s, which %s", said.name, variable, why)
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
    )
    return FileKey(row=row, secrets=secrets, budgets=_budgets(said, row.id))


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
