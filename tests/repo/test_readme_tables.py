# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The generator of the READMEs' tables, on a role made for it."""

from __future__ import annotations

from pathlib import Path

import pytest
import readme_tables

SPECS = """
argument_specs:
  main:
    options:
      cache_size:
        type: int
        default: 4
        choices: [4, 8]
        description: [Size in V(GiB)., "Either | or, see O(cache_peers)."]
      cache_peers:
        type: list
        elements: dict
        description: The other caches.
        options:
          host:
            required: true
            description: B(Address).
      cache_note:
        default: ""
        description: Free text.
"""
TABLE = """\
| name | type | default | description |
|---|---|---|---|
| `cache_size` | int | `4` | Size in `GiB`. Either \\| or, see `cache_peers`. One of `4`, `8`. |
| `cache_peers` | list of dict | (not set) | The other caches. |
| `cache_peers[].host` | str | (required) | Address. |
| `cache_note` | str | `""` | Free text. |
"""


@pytest.fixture
def role(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(readme_tables, "ROLES", tmp_path)
    (tmp_path / "cache/meta").mkdir(parents=True)
    (tmp_path / "cache/meta/argument_specs.yml").write_text(SPECS)
    (tmp_path / "cache/README.md").write_text("# cache\n\n<!-- variables -->\n<!-- /variables -->\n\nThe end\n")
    return tmp_path / "cache"


def test_write_then_check(role: Path) -> None:
    assert readme_tables.main(["--check"]) == 1
    assert readme_tables.main(["--write"]) == 0
    assert (role / "README.md").read_text() == f"# cache\n\n<!-- variables -->\n{TABLE}<!-- /variables -->\n\nThe end\n"
    assert readme_tables.main(["--check", "cache"]) == 0


def test_writing_twice_changes_nothing(role: Path) -> None:
    assert readme_tables.write(role)
    assert not readme_tables.write(role)


@pytest.mark.parametrize("text", ["no markers\n", "<!-- variables -->\n<!-- /variables -->\n" * 2])
def test_a_readme_without_one_place(role: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    (role / "README.md").write_text(text)
    assert readme_tables.main(["--write"]) == 1
    assert "places for the table" in capsys.readouterr().err
    assert (role / "README.md").read_text() == text


def test_no_readme(role: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (role / "README.md").unlink()
    assert readme_tables.main(["--check"]) == 1
    assert "README.md: missing" in capsys.readouterr().err


PERMISSIONS = """
Statement:
  - {Sid: Read, Effect: Allow, Action: "ec2:DescribeVpcs", Resource: "*"}
  - {Sid: Change, Effect: Allow, Action: ["ec2:CreateTags", "s3:PutObject", "ec2:DeleteTags"], Resource: "*"}
"""
PERMISSIONS_TABLE = """\
| needed for | service | actions |
|---|---|---|
| every run | `ec2` | DescribeVpcs |
| changes of what stands | `ec2` | CreateTags, DeleteTags |
| changes of what stands | `s3` | PutObject |
"""


def test_permissions_have_a_table_of_their_own(role: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (role / "files").mkdir()
    (role / "files/permissions.yml").write_text(PERMISSIONS)
    assert readme_tables.main(["--write"]) == 1
    assert "0 places for the table of permissions" in capsys.readouterr().err
    readme = role / "README.md"
    readme.write_text(readme.read_text() + "<!-- permissions -->\n<!-- /permissions -->\n")
    assert readme_tables.main(["--write"]) == 0
    assert f"<!-- permissions -->\n{PERMISSIONS_TABLE}<!-- /permissions -->\n" in readme.read_text()
    assert TABLE in readme.read_text()
    (role / "files/permissions.yml").write_text(PERMISSIONS.replace("DeleteTags", "RunInstances"))
    assert readme_tables.main(["--check"]) == 1
