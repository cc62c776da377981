# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module for ClickHouse as Ansible starts it, in this process."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

PASSWORD = "correct horse battery"


def run_module(module: Any, capsys: pytest.CaptureFixture[str], **arguments: Any) -> dict[str, Any]:
    """Run a module with the password; its answer, with the exit code as rc. The password may not show."""
    with patch_module_args({"login_password": PASSWORD, **arguments}), pytest.raises(SystemExit) as stopped:
        module.main()
    out, err = capsys.readouterr()
    answer = json.loads(out)
    answer.pop("invocation", None)
    assert PASSWORD not in json.dumps(answer) + err
    return {"rc": stopped.value.code, **answer}
