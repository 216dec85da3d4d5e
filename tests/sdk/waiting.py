"""How the scripts beside this file wait: for a condition, until a deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def wait_for(what: str, look: Callable[[], Found | None], seconds: float = 10) -> Found:
    """What `look` finds, which is asked again and again until it finds something."""
    deadline = time.monotonic() + seconds
    while (found := look()) is None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited in vain for {what}")
        time.sleep(0.05)  # between two looks, not to let time pass
    return found
