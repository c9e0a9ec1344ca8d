"""Durations and positions as people read them."""

from __future__ import annotations

import math


def clock(seconds: float) -> str:
    """``m:ss`` for seconds, ``h:mm:ss`` from an hour on; negative or not finite reads ``0:00``."""
    whole = int(seconds) if math.isfinite(seconds) and seconds > 0 else 0
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
