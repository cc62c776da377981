# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-in for the get-pip script that ansible-test downloads, for computers that reach only a package index.

ansible-test runs it in a new virtual environment, with get-pip's own options and requirements such as pip==24.2.
The pip that comes with Python installs those from the index that pip is configured for.
"""

from __future__ import annotations

import subprocess
import sys

GET_PIP_ONLY = {"--no-setuptools", "--no-wheel"}

if __name__ == "__main__":
    # In a process of its own, since ensurepip switches pip's configuration off for the process that it runs in.
    subprocess.run([sys.executable, "-m", "ensurepip"], check=True, stdout=subprocess.DEVNULL)
    arguments = [argument for argument in sys.argv[1:] if argument not in GET_PIP_ONLY]
    sys.exit(subprocess.run([sys.executable, "-m", "pip", "install", "--upgrade", *arguments]).returncode)
