"""Times in words."""

from __future__ import annotations


def span(seconds: float) -> str:
    """A time in its two largest units; a negative one, as of an estimate that ran out, counts as 0."""
    seconds = max(seconds, 0.0)
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
