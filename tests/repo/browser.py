# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A headless Chromium that shows a file."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[2]
# What Chromium needs where it may not make its own sandbox: one process. It ends with its first page.
ALONE = ["--no-sandbox", "--single-process", "--no-zygote", "--disable-gpu"]


@contextmanager
def opened(file: Path, **context: Any) -> Iterator[Page]:
    """The file in a browser of its own; viewport, color_scheme and the like as in playwright's new_page."""
    path = subprocess.run(["tests/chromium.sh"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ALONE)
        page = browser.new_page(**context)
        page.goto(file.as_uri())
        yield page
        browser.close()
