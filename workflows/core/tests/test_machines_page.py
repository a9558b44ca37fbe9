"""docs/machines.md shows the machines as they are."""

from django.conf import settings

from workflows.management.commands.describe_machines import describe


def test_the_page_is_up_to_date():
    page = settings.BASE_DIR / "docs" / "machines.md"
    assert page.read_text() == describe(), "run manage.py describe_machines"
