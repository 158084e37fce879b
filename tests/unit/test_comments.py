"""Comments and blanks in what is rendered: they are there to be read, and make no other guest."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cloudinit import substance

PROJECT = Path(__file__).parents[2]
_PACKAGES = ("cloudinit", "nordgate", "smoke", "stacks")
_SHOW = """
import hashlib, json
from pathlib import Path
from nordgate.design.gateway_design import design
from nordgate.settings.loader import load_file
made = design(load_file(Path(), "oslo"), "oslo", "gw1", "0" * 64)
texts = {path: file.content for path, file in made.seed.files.items()}
print(json.dumps([made.fingerprint, made.seed.content_hash, made.seed.config_hash, made.smoke_plan["guest"]["files"],
                  texts, made.stylesheet]))
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """The program's own code, to be edited."""
    for name in _PACKAGES:
        shutil.copytree(PROJECT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


@pytest.fixture(scope="module")
def before() -> Any:
    """What is shown of the code as it is."""
    return shown(PROJECT)


def shown(code: Path) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", _SHOW], cwd=code, capture_output=True, text=True, check=True, timeout=60
    )
    return json.loads(done.stdout)


def test_a_comment_and_blanks_in_every_template_make_no_other_guest(code: Path, before: Any) -> None:
    templates = [*code.glob("cloudinit/templates/*/*.j2"), *code.glob("cloudinit/watcher/*.py")]
    for template in templates:
        mark = "{{ paths.log }}/*.log" if template.name == "logrotate.conf.j2" else ""
        text = template.read_text()
        template.write_text(
            text.replace(mark, f"\n# A remark.   \n\n{mark}", 1) if mark else f"{text}\n# A remark.   \n\n"
        )
    for module in code.glob("cloudinit/watcher/*.py"):
        text = module.read_text()
        module.write_text(text.replace('."""\n', '. A remark."""\n').replace("\n\n", "  # A remark.\n\n", 1))
    stylesheet = code / "nordgate/machine/templates/domain.xslt"
    stylesheet.write_text(
        stylesheet.read_text().replace("  <xsl:template", "\n  <!-- A remark. -->\n     <xsl:template")
    )
    after = shown(code)
    assert after[:4] == before[:4]
    assert len(templates) > 20
    remarked = [path for path, text in after[4].items() if "# A remark." in text]
    assert len(remarked) > 20, "what is rendered keeps its comments"
    assert "<!-- A remark. -->" in after[5]


@pytest.mark.parametrize(
    ("file", "line", "other"),
    [
        ("cloudinit/templates/nginx/proxy.conf.j2", "proxy_hide_header {{ name }};", "proxy_pass_header {{ name }};"),
        ("cloudinit/templates/guest/rotate.sh.j2", "#!/bin/sh", "#!/bin/bash"),
        ("nordgate/machine/templates/domain.xslt", 'model="none"/>', 'model="auto"/>'),
    ],
)
def test_a_line_that_counts_makes_another_guest(code: Path, before: Any, file: str, line: str, other: str) -> None:
    path = code / file
    assert line in path.read_text()
    path.write_text(path.read_text().replace(line, other))
    assert shown(code)[0] != before[0]


@pytest.mark.parametrize(
    ("path", "text", "counts"),
    [
        ("/etc/nginx/nginx.conf", "# why\n\nhttp {\n\tgzip off;  \n}\n", "http {\ngzip off;\n}\n"),
        ("/etc/apt/apt.conf.d/90-nordgate", '// why\nA "1";\n#clear B;\n', 'A "1";\n#clear B;\n'),
        ("/usr/local/sbin/a", "#!/bin/sh\n# why\n  echo 1\n", "#!/bin/sh\n  echo 1\n"),
        ("/usr/local/lib/a.py", "if a:\n    # why\n    b()\n", "if a:\n    b()\n"),
        ("/a.py", "a = 1  # why\nb = '#' + \"#\"  # 'why'\n", "a = 1\nb = '#' + \"#\"\n"),
        ("/a.py", '"""Why."""\n\ndef f():\n    """Why.\n\n    # And how.\n    """\n    g()\n', "def f():\n    g()\n"),
        ("/a.py", 'a = 1\n"""Why."""\nb = 2\n', "a = 1\nb = 2\n"),
        # What somebody reads at work: texts, a docstring that is asked for, a line that says more.
        ("/a.py", 'a = """\n# one\n\n  two  \n"""\n', 'a = """\n# one\n\n  two  \n"""\n'),
        ("/a.py", 'a = f"""\n# {b}\n"""  # c\n', 'a = f"""\n# {b}\n"""  # c\n'),
        ("/a.py", '"""Why."""\nprint(__doc__)\n', '"""Why."""\nprint(__doc__)\n'),
        ("/a.py", "class A: 'why'\n", "class A: 'why'\n"),
        ("/a.py", "if a:  # edited by hand\nb()\n", "if a:  # edited by hand\nb()\n"),
        ("/etc/apt/sources.list.d/debian.sources", "Signed-By:\n -----BEGIN\n .\n", "Signed-By:\n -----BEGIN\n .\n"),
        ("/etc/nginx/a.conf", "return 200; # not a line of its own\n", "return 200; # not a line of its own\n"),
    ],
)
def test_what_counts_of_a_file(path: str, text: str, counts: str) -> None:
    assert substance(path, text) == counts
