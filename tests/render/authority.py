"""A certificate authority for tests, and what it signs."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

_EC_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-sha256")
# Checkers call a certificate for longer than this too long-lived.
_DAYS = 90


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Authority:
    """An authority that nobody trusts who is not told to."""

    folder: Path

    @property
    def certificate(self) -> Path:
        return self.folder / "authority.crt"

    @staticmethod
    def make(folder: Path) -> Authority:
        """A new one, its files in `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        authority = Authority(folder)
        authority._openssl(
            *("-x509", "-subj", "/O=Tests/CN=Authority of the tests"),
            *("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign"),
            *("-out", "authority.crt", "-keyout", "authority.key"),
        )
        return authority

    def issue(self, *names: str) -> Pair:
        """A server's certificate for names like `DNS:api.example.test`; its files are named after the first."""
        stem = names[0].partition(":")[2]
        self._openssl(
            *("-x509", "-CA", "authority.crt", "-CAkey", "authority.key", "-subj", f"/CN={stem}"),
            *("-addext", f"subjectAltName={','.join(names)}", "-addext", "extendedKeyUsage=serverAuth"),
            *("-addext", "basicConstraints=critical,CA:FALSE", "-addext", "keyUsage=critical,digitalSignature"),
            *("-out", f"{stem}.crt", "-keyout", f"{stem}.key"),
        )
        return Pair(self.folder / f"{stem}.crt", self.folder / f"{stem}.key")

    def _openssl(self, *words: str) -> None:
        # The distribution's configuration would add extensions of its own.
        (self.folder / "openssl.cnf").write_text("[req]\ndistinguished_name = name\n[name]\n")
        command = ["openssl", "req", "-config", "openssl.cnf", *_EC_KEY, "-days", str(_DAYS), *words]
        subprocess.run(command, cwd=self.folder, capture_output=True, check=True, timeout=60)
