"""Results that a browser's own session keeps until another choice is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import streamlit as st

Result = TypeVar("Result")


def known(slot: str, key: str) -> bool:
    """Whether the result of that choice is kept."""
    kept = st.session_state.get(slot)
    return kept is not None and kept[0] == key


def once(slot: str, key: str, what: str, make: Callable[[], Result]) -> Result:
    """The result of a choice: the one that is kept, or what is made now.

    Args:
        slot: of the page. It holds one result: two long videos need not be in memory at once.
        key: of the choice.
        what: is being done, for people.
        make: does it.
    """
    if not known(slot, key):
        st.session_state.pop(slot, None)
        with st.spinner(what, show_time=True):
            st.session_state[slot] = (key, make())
    result: Result = st.session_state[slot][1]
    return result
