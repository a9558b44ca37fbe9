"""Colleagues who look at the same thing learn of each other."""

from uuid import uuid4

import pytest

from workflows.core import presence

pytestmark = pytest.mark.django_db


def test_the_second_one_sees_the_first(alice, egon, mona):
    subject = uuid4()
    assert presence.others_at(subject, egon) == []
    assert presence.others_at(subject, alice) == ["Egon"]
    assert presence.others_at(subject, egon) == ["Alice"]
    assert presence.others_at(subject, mona) == ["Alice", "Egon"]
    assert presence.others_at(uuid4(), mona) == []


def test_who_left_is_forgotten(alice, egon, monkeypatch):
    subject = uuid4()
    presence.others_at(subject, egon)
    later = presence.time.time() + presence.FRESH_SECONDS + 1
    monkeypatch.setattr(presence.time, "time", lambda: later)
    assert presence.others_at(subject, alice) == []
