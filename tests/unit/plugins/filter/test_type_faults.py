# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables that only look as their argument specs ask."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.llmops.langfuse.plugins.filter.type_faults import FilterModule, type_faults

TAINTS = {"type": "list", "elements": "dict", "options": {"key": {"type": "str", "required": True}}}
OPTIONS: dict[str, Any] = {
    "region": {"type": "str", "required": True},
    "email": {"type": "str", "default": ""},
    "untyped": {},
    "days": {"type": "int", "default": 30},
    "public": {"type": "bool", "default": True},
    "emails": {"type": "list", "elements": "str"},
    "tags": {"type": "dict"},
    "store": {"type": "dict", "options": {"host": {"type": "str"}, "port": {"type": "int"}, "tls": {"type": "bool"}}},
    "groups": {
        "type": "list",
        "elements": "dict",
        "options": {"size": {"type": "int"}, "labels": {"type": "dict"}, "taints": TAINTS},
    },
}
GOOD = {
    "region": "ap-south-1",
    "email": "",
    "untyped": "x",
    "days": "30",  # -e days=30
    "public": "false",
    "emails": [],
    "tags": {"a": None},  # what is in it is not said
    "store": {"host": "x", "port": 5432, "tls": False},
    "groups": [{"size": 1, "labels": {}, "taints": [{"key": "x"}]}, {}],
    "not_of_the_role": None,
}


def test_no_fault():
    assert type_faults(OPTIONS, GOOD) == []
    assert type_faults(OPTIONS, {}) == []


CASES = [
    ({"region": None}, "region has no value: it needs one."),
    ({"email": None}, 'email has no value: leave it out for its default, or write "" for an empty text.'),
    ({"days": None}, "days has no value: leave it out for its default."),
    ({"emails": "a@b.c"}, "emails is a text: a list is allowed, on the command line -e '{\"emails\": [...]}'."),
    ({"tags": "{}"}, "tags is a text: a dict is allowed, on the command line -e '{\"tags\": {...}}'."),
    (
        {"store": {"host": None}},
        'store.host has no value: leave it out for its default, or write "" for an empty text.',
    ),
    ({"store": {"port": "5432"}}, "store.port is a text: the type int is allowed."),
    ({"store": {"tls": "false"}}, "store.tls is a text: the type bool is allowed."),
    ({"groups": [{}, {"size": "3"}]}, "groups[1].size is a text: the type int is allowed."),
    ({"groups": [{"labels": "a=b"}]}, "groups[0].labels is a text: the type dict is allowed."),
    ({"groups": [{"taints": "x"}]}, "groups[0].taints is a text: the type list is allowed."),
    ({"groups": [{"taints": [{"key": None}]}]}, "groups[0].taints[0].key has no value: it needs one."),
]


@pytest.mark.parametrize(("given", "fault"), CASES, ids=[fault.split(":")[0] for _given, fault in CASES])
def test_a_fault_is_named(given, fault):
    assert type_faults(OPTIONS, GOOD | given) == [fault]


def test_all_faults_at_once_and_no_value():
    found = type_faults(OPTIONS, {"emails": "secret", "tags": "secret", "store": {"port": "secret", "tls": "secret"}})
    assert [fault.split()[0] for fault in found] == ["emails", "tags", "store.port", "store.tls"]
    assert "secret" not in "".join(found)


def test_what_has_another_type_is_for_ansible_to_say():
    assert type_faults(OPTIONS, {"emails": 1, "tags": [], "store": 5, "groups": ["x", 7]}) == []


def test_ansible_finds_it():
    assert FilterModule().filters() == {"type_faults": type_faults}
