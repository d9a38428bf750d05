"""What the key and the value of a label may be: apimachinery 1.36's ``api/validate/content``, in its words."""

from __future__ import annotations

import re

from tenantry.model import names

_NAME = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_is_name = re.compile(_NAME).fullmatch
_MAX_NAME = 63  # bytes
_NAME_RULE = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
    f"(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_NAME}')"
)
_VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start "
    "and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation "
    f"is '({_NAME})?')"
)


def check_key(key: str) -> list[str]:
    """What is wrong with ``key`` as a label (or annotation) key, in Kubernetes' words; nothing when it is valid."""
    prefix, slash, name = key.rpartition("/")
    if "/" in prefix:
        return [
            f"a valid label key {_NAME_RULE} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        ]
    problems = []
    if slash and not prefix:
        problems.append("prefix part must be non-empty")
    elif slash:
        problems += [f"prefix part {problem}" for problem in names.check_subdomain(prefix)]
    if not name:
        problems.append("name part must be non-empty")
    elif len(name.encode(errors="replace")) > _MAX_NAME:
        problems.append(f"name part must be no more than {_MAX_NAME} bytes")
    if not _is_name(name):
        problems.append(f"name part {_NAME_RULE}")
    return problems


def check_value(value: str) -> list[str]:
    """What is wrong with ``value`` as a label's value, in Kubernetes' words; nothing when it is valid."""
    problems = []
    if len(value.encode(errors="replace")) > _MAX_NAME:
        problems.append(f"must be no more than {_MAX_NAME} bytes")
    if value and not _is_name(value):
        problems.append(_VALUE_RULE)
    return problems
