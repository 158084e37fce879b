"""A virsh for tests: answers from a scenario file, and counts its calls there; a process, or a function.

The scenario (JSON in $FAKE_VIRSH): `state`, a domstate line, or a list of them, one per look; `connected_after`,
looks until the agent is connected; `boot`, what the boot result holds at each read (null: no such file); `files`,
other files in the guest; `refuse`, agent commands that are disabled; `silent`, why the agent does not
answer; `ends`, the exit code of commands (3); `endless`, that no command ends in the guest; `error`, what every
call fails with.
"""

import base64
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any, NoReturn

BOOT = "/run/nordgate/boot.json"
_ONE_AT_A_TIME = threading.Lock()
FILES = {"/proc/stat": "cpu 1 2 3 4 5 6 7 8 9 10\n", "/proc/sys/kernel/random/boot_id": "b007\n"}
scenario: dict[str, Any] = {}


def fail(text: str) -> NoReturn:
    sys.exit(f"error: {text}")


def turn(key: str) -> Any:
    """The next of a list of values; the last one stays."""
    values = scenario[key]
    if not isinstance(values, list):
        return values
    taken = scenario.setdefault("taken", {}).get(key, 0)
    scenario["taken"][key] = taken + 1
    return values[min(taken, len(values) - 1)]


def look() -> str:
    state = turn("state")
    looks = scenario["looks"] = scenario.get("looks", 0) + 1
    connected = "connected" if looks > scenario.get("connected_after", 0) else "disconnected"
    return f"""{state}
<domain type='qemu'><devices>
  <serial type='pty'><log file='{scenario.get("console", "/nonexistent/console.log")}' append='off'/></serial>
  <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0' state='{connected}'/></channel>
</devices></domain>
"""


def agent(command: dict[str, Any]) -> Any:
    name, arguments = command["execute"], command.get("arguments", {})
    scenario.setdefault("commands", []).append(name)
    if "silent" in scenario:
        fail(f"Guest agent is not responding: {scenario['silent']}")
    if name in scenario.get("refuse", []):
        fail(
            f"internal error: unable to execute QEMU agent command '{name}': "
            f"Command {name} has been disabled for this instance"
        )
    if name == "guest-file-open":
        path = arguments["path"]
        content = turn("boot") if path == BOOT else (FILES | scenario.get("files", {})).get(path)
        if content is None:
            fail(
                f"internal error: unable to execute QEMU agent command '{name}': "
                f"failed to open file '{path}' (mode: 'r'): No such file or directory"
            )
        scenario["open"], scenario["at"] = content, 0
        return 1000
    if name == "guest-file-seek":
        size = len(scenario["open"].encode())
        scenario["at"] = arguments["offset"] + (size if arguments["whence"] == 2 else 0)
        return {"position": scenario["at"], "eof": False}
    if name == "guest-file-read":
        part = scenario["open"].encode()[scenario["at"] :][: arguments["count"]]
        scenario["at"] += len(part)
        return {"count": len(part), "buf-b64": base64.b64encode(part).decode(), "eof": len(part) < arguments["count"]}
    if name == "guest-exec":
        scenario["exec"] = arguments
        return {"pid": 7}
    if name == "guest-exec-status":
        said = " ".join(scenario["exec"]["arg"]).encode()
        if "endless" in scenario:
            return {"exited": False}
        return {"exited": True, "exitcode": scenario.get("ends", 3), "out-data": base64.b64encode(said).decode()}
    return {}


def said(words: list[str]) -> str:
    if "error" in scenario:
        fail(scenario["error"])
    if "qemu-agent-command" in words:
        return json.dumps({"return": agent(json.loads(words[words.index("--cmd") + 1]))})
    if "domstate" in words:
        return f"{turn('state')}\n"
    return "" if {"start", "resume", "dompmwakeup"} & set(words) else look()


def answer(words: list[str], path: Path) -> tuple[int, str, str]:
    """The exit code, the output and the error output of one call."""
    with _ONE_AT_A_TIME:
        scenario.clear()
        scenario.update(json.loads(path.read_text()))
        try:
            return 0, f"{said(words)}\n", ""
        except SystemExit as error:
            return 1, "", f"{error}\n"
        finally:
            draft = path.with_suffix(".new")
            draft.write_text(json.dumps(scenario))
            draft.replace(path)  # a test may be reading it


if __name__ == "__main__":
    code, out, err = answer(sys.argv[1:], Path(os.environ["FAKE_VIRSH"]))
    sys.stdout.write(out)
    sys.stderr.write(err)
    sys.exit(code)
