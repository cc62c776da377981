# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Lambda's Python runtime does with a function: import its handler, call it once, and leave the answer in a file.

Runs as a program of its own: function_runtime.py FOLDER MODULE.FUNCTION RESULT CONTEXT, the event on standard input.
Exit code 1 when the handler failed; then the result tells the error.
"""

import importlib
import json
import sys
import time
import traceback
import types


def main(folder: str, handler: str, result: str, context: str) -> int:
    """Run the handler; return the exit code."""
    started = time.monotonic()
    settings = json.loads(context)
    timeout = settings.pop("timeout")
    settings["get_remaining_time_in_millis"] = lambda: int((timeout - (time.monotonic() - started)) * 1000)
    sys.path.insert(0, folder)
    try:
        event = json.load(sys.stdin)
        module, _, function = handler.rpartition(".")
        answer = getattr(importlib.import_module(module.replace("/", ".")), function)(
            event, types.SimpleNamespace(**settings)
        )
        text, code = json.dumps(answer), 0
    except Exception as error:
        traceback.print_exc()
        trace = traceback.format_tb(error.__traceback__)[1:]
        description = {"errorMessage": str(error), "errorType": type(error).__name__, "stackTrace": trace}
        text, code = json.dumps({**description, "requestId": settings["aws_request_id"]}), 1
    with open(result, "w", encoding="utf-8") as file:
        file.write(text)
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
