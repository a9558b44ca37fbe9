"""The product's addresses, and one that starts a job together with a row."""

from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from config.urls import handler400, handler403, handler404, urlpatterns
from jobs.actions.starting import start_job
from tests.faults.models import Order
from tests.faults.names import EFFECT

__all__ = ["handler400", "handler403", "handler404", "urlpatterns"]


@login_not_required
@csrf_exempt
@require_POST
def order(request: HttpRequest, number: int) -> HttpResponse:
    """Take an order: the row and its job, or neither."""
    with transaction.atomic():
        row = Order.objects.create(number=number)
        start_job(EFFECT, row, by=None, metadata={"rounds": 1})
    return HttpResponse(status=201)


urlpatterns = [*urlpatterns, path("orders/<int:number>/", order)]
