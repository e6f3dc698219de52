"""Secrets in text: what stands in the environment or in an address must not reach a log, a record or a message."""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

MASK = "***"

SECRET = re.compile(
    r"TOKEN|PASSWORD|PASSWD|PASSPHRASE|SECRET|CREDENTIAL|(?:API|ACCESS|PRIVATE|SIGNING)_?KEY|_PASS$|_PWD$"
    r"|LICEN[CS]E_(?:FILE|SERVER)$|_LIC_FILE$",
    re.IGNORECASE,
)
"""Names of environment variables whose values are secret: keys and passwords, and where licences are served."""

SHORTEST = 5
"""Characters of a value that is masked at least: `1` or `yes` is no secret, and masking it would spoil other text."""

USER_IN_URL = re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^/\s@'\"<>]+@", re.IGNORECASE)
SECRET_IN_QUERY = re.compile(
    r"([?&;][\w.-]*(?:token|key|secret|signature|password|passwd|credential|auth)[\w.-]*=)[^&;\s'\"<>)]+", re.IGNORECASE
)


def secrets(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Secret values in the environment, the longest first. A variable that names a folder holds no secret."""
    found = set()
    for name, value in environment.items():
        if SECRET.search(name) and not Path(value).is_dir():
            # a list of licence servers, port@host:port@host
            found |= {value, *re.split(r"[:;,]", value)} if "@" in value else {value}
    return sorted((value for value in found if len(value) >= SHORTEST), key=lambda value: (-len(value), value))


def redacted(text: str, also: Iterable[str] = ()) -> str:
    """Text without the secrets of the environment and those of `also`, and addresses without user, password and token."""
    text = SECRET_IN_QUERY.sub(rf"\1{MASK}", USER_IN_URL.sub(rf"\1{MASK}@", text))
    for value in sorted({*secrets(), *also}, key=len, reverse=True):
        if len(value) >= SHORTEST and value in text:
            # whole words alone: a secret of few digits is not cut out of a hash
            text = re.sub(rf"(?<![A-Za-z0-9]){re.escape(value)}(?![A-Za-z0-9])", MASK, text)
    return text


def redacted_data(content: Any) -> Any:
    """Plain data (as of JSON or YAML) with every string in it redacted; keys stay."""
    if isinstance(content, str):
        return redacted(content)
    if isinstance(content, Mapping):
        return {key: redacted_data(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [redacted_data(value) for value in content]
    return content


def redact_file(path: Path, also: Iterable[str] = ()) -> None:
    """Take the secrets out of a text file in place; one that holds none, or is not there, is left as it is."""
    path = Path(path)
    if not path.is_file():
        return
    # bytes that are no text pass as they are
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    clean = redacted(text, also)
    if clean != text:
        path.write_bytes(clean.encode("utf-8", "surrogateescape"))
