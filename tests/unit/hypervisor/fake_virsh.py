"""A virsh for tests: says what the scenario (JSON in $FAKE_VIRSH) holds for each command of a batch.

`answers`: text by command; `error`: what every call fails with; `console`: what a created domain says, after
`pause` seconds, before it goes on running for `lasts` seconds.
"""

import json
import os
import sys
import time
from pathlib import Path

scenario = json.loads(Path(os.environ["FAKE_VIRSH"]).read_text())
words = sys.argv[1:]
if "error" in scenario:
    sys.exit(f"error: {scenario['error']}")
if "create" in words:
    time.sleep(scenario.get("pause", 0))
    print(scenario["console"], flush=True)
    time.sleep(scenario.get("lasts", 0))
else:
    for command in words[-1].split("; "):
        if command.startswith("echo"):
            print(command.removeprefix("echo").strip(" '"), end="")
        else:
            print(scenario["answers"].get(command, ""))
