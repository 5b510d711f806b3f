"""Whether boto3 will find credentials and a region, told without importing it.

It looks at the places that boto3's own chain does, in the same order, and reads no secret: only
whether something stands there.
"""

from __future__ import annotations

import configparser
import os
from pathlib import Path
from urllib.parse import urlsplit

_KEYS = (
    "aws_access_key_id",
    "role_arn",
    "credential_process",
    "sso_session",
    "sso_start_url",
    "login_session",
    "web_identity_token_file",
)
"""Any of these in a profile makes credentials."""

_VENDOR = Path("/sys/devices/virtual/dmi/id/sys_vendor")


def what_to_do() -> str | None:
    """None where credentials and a region are found, else what to do."""
    if not _has_credentials():
        return (
            "aws configure, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE "
            "(boto3's own chain; its user needs the right rekognition:DetectFaces)"
        )
    if not _has_region():
        return "set AWS_DEFAULT_REGION, such as eu-west-1, or region in ~/.aws/config"
    return None


def where() -> str:
    """The region that is asked, and the host where another than AWS's own is set."""
    environ = os.environ
    told = {key: value for section in _sections() for key, value in section.items()}
    region = environ.get("AWS_DEFAULT_REGION") or told.get("region") or environ.get("AWS_REGION")
    endpoint = environ.get("AWS_ENDPOINT_URL_REKOGNITION") or environ.get("AWS_ENDPOINT_URL")
    host = urlsplit(endpoint or told.get("endpoint_url") or "").hostname
    return f"{region} {host or ''}".strip()


def _has_credentials() -> bool:
    environ = os.environ
    if environ.get("AWS_ACCESS_KEY_ID") and environ.get("AWS_SECRET_ACCESS_KEY"):
        return True
    if environ.get("AWS_WEB_IDENTITY_TOKEN_FILE") and environ.get("AWS_ROLE_ARN"):
        return True
    if any(environ.get(f"AWS_CONTAINER_CREDENTIALS_{kind}_URI") for kind in ("RELATIVE", "FULL")):
        return True
    if any(key in section for section in _sections() for key in _KEYS):
        return True
    return _has_instance_role()


def _has_region() -> bool:
    if os.environ.get("AWS_DEFAULT_REGION") or os.environ.get("AWS_REGION"):
        return True
    return any(section.get("region") for section in _sections())


def _profile() -> str:
    environ = os.environ
    return environ.get("AWS_DEFAULT_PROFILE") or environ.get("AWS_PROFILE") or "default"


def _sections() -> list[dict[str, str]]:
    """What the two files say of the profile."""
    profile = _profile()
    named = profile if profile == "default" else f"profile {profile}"
    files = (
        ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials", profile),
        ("AWS_CONFIG_FILE", "~/.aws/config", named),
    )
    found = []
    for variable, default, section in files:
        parser = configparser.RawConfigParser(strict=False)
        try:
            path = Path(os.environ.get(variable) or default).expanduser()
            parser.read_string(path.read_text(encoding="utf-8"))
        except (OSError, RuntimeError, UnicodeDecodeError, configparser.Error):
            continue
        if parser.has_section(section):
            found.append(dict(parser.items(section)))
    return found


def _has_instance_role() -> bool:
    """Whether this is a machine of AWS, which may have a role; asking it would take a request."""
    if os.environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        return False
    try:
        return "amazon" in _VENDOR.read_text(encoding="utf-8").lower()
    except (OSError, UnicodeDecodeError):
        return False
