"""What a part knows of the data after `bind`, beside its options."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

Part = TypeVar("Part")


def with_state(part: Part, **state: Any) -> Part:
    """A copy of a frozen part that also holds these attributes, no options: neither compared nor saved."""
    made = copy.copy(part)
    for name, value in state.items():
        object.__setattr__(made, name, value)
    return made
