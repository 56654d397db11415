from __future__ import annotations

from pathlib import Path

import pytest

from pointsman.config import errors_of, load_text, text_of
from pointsman.core.errors import ConfigError

FOLDER = Path(__file__).parent / "golden"


def cases():
    for file in sorted(FOLDER.glob("*.txt")):
        body = file.read_text(encoding="utf-8").split("\n", 1)[1]
        for number, case in enumerate(body.split("\n====\n")):
            yield pytest.param(case, id=f"{file.stem}-{number}")


@pytest.mark.parametrize("case", list(cases()))
def test_the_report_is_exactly_this(case):
    text, expected = case.split("\n----\n")
    with pytest.raises(ConfigError) as caught:
        load_text(text + "\n", Path("pointsman.yaml"))
    assert "\n".join(text_of(error) for error in errors_of(caught.value)) == expected.rstrip("\n")
