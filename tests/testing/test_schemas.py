"""Values made from a schema are valid for it."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from pointsman.testing.schemas import valid_value

names = st.sampled_from(["a", "b", "name", "title", "default"])
leaves = st.one_of(
    st.builds(
        lambda low, span: {"type": "integer", "minimum": low, "maximum": low + span},
        st.integers(-50, 50),
        st.integers(0, 9),
    ),
    st.builds(lambda low: {"type": "number", "exclusiveMinimum": low}, st.integers(-50, 50)),
    st.builds(lambda high: {"type": "integer", "maximum": high}, st.integers(-50, 50)),
    st.builds(
        lambda low, span: {"type": "string", "minLength": low, "maxLength": low + span},
        st.integers(0, 20),
        st.integers(0, 9),
    ),
    st.sampled_from([{"type": "boolean"}, {"type": "null"}, {"type": ["string", "null"]}, {"const": 3}, {}]),
    st.builds(lambda values: {"enum": values}, st.lists(st.integers() | st.text(), min_size=1, max_size=4)),
)


def grow(inner):
    return st.one_of(
        st.builds(
            lambda properties, closed: {
                "type": "object",
                "properties": properties,
                "required": sorted(properties),
                "additionalProperties": not closed,
            },
            st.dictionaries(names, inner, max_size=4),
            st.booleans(),
        ),
        st.builds(lambda items, least: {"type": "array", "items": items, "minItems": least}, inner, st.integers(0, 3)),
        st.builds(lambda options: {"anyOf": options}, st.lists(inner, min_size=1, max_size=3)),
    )


@given(st.recursive(leaves, grow, max_leaves=8), st.integers())
def test_any_simple_schema_gets_a_valid_value(schema, seed):
    Draft202012Validator(schema).validate(valid_value(schema, random.Random(seed)))


def test_references_unions_and_recursion_come_to_an_end():
    schema = {
        "$defs": {
            "node": {
                "type": "object",
                "properties": {
                    "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
                    "n": {"type": "integer"},
                },
                "required": ["next", "n"],
            }
        },
        "allOf": [
            {"$ref": "#/$defs/node"},
            {"properties": {"id": {"type": "string", "format": "uuid"}}, "required": ["id"]},
        ],
    }
    value = valid_value(schema, random.Random(1))
    Draft202012Validator(schema).validate(value)
    assert set(value) == {"next", "n", "id"}
