"""The forms that values have on the wire."""

import re
from datetime import datetime, timezone

FULL_VALUE = re.compile(r"confident_org_[0-9a-f]{32}")
FULL_PROJECT_VALUE = re.compile(r"confident_proj_[0-9a-f]{32}")
# The fields of a key on /v2: those of the published contract, then Keystead's own.
KEY = ["id", "name", "valid", "created_at", "expiresAt", "value", "shadowValue", "rotatesAt", "lastUsed"]
OWN = ["role", "permissions", "owner", "metadata"]
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def masked(value: str) -> str:
    """What is shown of a full value from the second time on."""
    return "*" * 15 + value[-6:]


def time(text: str) -> datetime:
    """RFC 3339, in UTC, with milliseconds."""
    assert TIME.fullmatch(text), text
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)


def now() -> datetime:
    """The time as the wire can say it: in whole milliseconds."""
    now = datetime.now(timezone.utc)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
