"""The product's addresses, and some that go wrong on purpose."""

from datetime import UTC, datetime
from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone
from django_fsm import ConcurrentTransition, TransitionNotAllowed

from config.urls import handler400, handler403, handler404, urlpatterns
from tests.kit.models import Parcel
from tests.kit.wizard import ParcelWizard, finished
from workflows.core.admin import MachineAdmin
from workflows.core.http import Conflict

__all__ = ["handler400", "handler403", "handler404", "urlpatterns"]

RAISED = {
    "unreadable": BadRequest("a slip"),
    "forbidden": PermissionDenied(),
    "forbidden-because": PermissionDenied("Only Mona may close this."),
    "conflict": Conflict("Egon claimed it a moment ago."),
    "not-now": TransitionNotAllowed("no"),
    "too-late": ConcurrentTransition("no"),
    "broken": RuntimeError("with hunter2 in it"),
}


@login_not_required
def wrong(request: HttpRequest, how: str) -> HttpResponse:
    raise RAISED[how]


def noon(request: HttpRequest) -> HttpResponse:
    """Say how the account reads 2026-01-15 12:00 UTC."""
    return HttpResponse(str(timezone.localtime(datetime(2026, 1, 15, 12, tzinfo=UTC))))


site = AdminSite("kit")
site.register(Parcel, MachineAdmin)

wizard: Any = ParcelWizard.as_view()
urlpatterns = [
    *urlpatterns,
    path("wrong/<slug:how>/", wrong),
    path("noon/", noon),
    path("parcels/<uuid:pk>/", wizard, name="parcel"),
    path("parcels/<uuid:pk>/finished/", finished, name="parcel_finished"),
    path("parcels/<uuid:pk>/<slug:page>/", wizard, name="parcel_page"),
    path("kit-admin/", site.urls),
]
