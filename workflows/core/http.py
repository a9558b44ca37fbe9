"""Requests and answers: who asks, what a refusal looks like, one log line each."""

from __future__ import annotations

import logging
import re
import time
import zoneinfo
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.views import redirect_to_login
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
    JsonResponse,
)
from django.shortcuts import render, resolve_url
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django_fsm import ConcurrentTransition, TransitionNotAllowed
from django_htmx.middleware import HtmxDetails

from workflows.core.accounts import User, role_names
from workflows.core.ids import uuid7
from workflows.core.logs import request_id

log = logging.getLogger("handrail.requests")
GIVEN_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
Handler = Callable[[HttpRequest], HttpResponse]


class UserRequest(HttpRequest):
    """A request behind login: LoginRequiredMiddleware promises the user."""

    user: User
    htmx: HtmxDetails


class Conflict(Exception):
    """Not now (409): somebody or something was faster. The text says what to do."""


def speaks_json(view: Any) -> Any:
    """Mark a view for scripts: each refusal that they meet there is JSON as well."""
    view.speaks_json = True
    return view


class SeeOther(HttpResponseRedirect):
    """The answer to a POST: load this page next, whatever the method was."""

    status_code = HTTPStatus.SEE_OTHER


def see_other(to: Any, *args: Any, **kwargs: Any) -> SeeOther:
    return SeeOther(resolve_url(to, *args, **kwargs))


def page_address(request: HttpRequest) -> str:
    """Return an address that shows where the reader is.

    A form's own address is none: it may take nothing but forms, so the page that the
    form stands on is meant.
    """
    if request.method in {"GET", "HEAD"}:
        return request.get_full_path()
    referer = request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(referer, {request.get_host()}):
        return "/"
    return urlunsplit(("", "", *urlsplit(referer)[2:]))


class RequestIdMiddleware:
    """Gives the request an id, logs one line without personal data, adds headers."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        # Kept until the thread's next request: files are streamed, and Django notes
        # refusals, after the answer has left here.
        request_id.set(given if GIVEN_ID.fullmatch(given) else uuid7().hex)
        started = time.perf_counter()
        response = self.get_response(request)
        response["X-Request-ID"] = request_id.get()
        response["Permissions-Policy"] = (
            "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
        )
        match = request.resolver_match
        # The route, not the path: paths hold what people typed and looked at.
        log.info(
            "%s %s %s %.0f ms",
            request.method,
            match.route if match else "-",
            response.status_code,
            (time.perf_counter() - started) * 1000,
        )
        return response


class LoginMiddleware(LoginRequiredMiddleware):
    """Sends whose session ended while they typed back to the page they typed on.

    Scripts, which cannot type a password there, are told instead.
    """

    def handle_no_permission(  # type: ignore[override]
        self, request: HttpRequest, view_func: Any
    ) -> HttpResponse:
        if getattr(view_func, "speaks_json", False):
            return refusal(request, HTTPStatus.UNAUTHORIZED, _("Sign in first."))
        return redirect_to_login(
            page_address(request), resolve_url(self.get_login_url(view_func))
        )


class AccountMiddleware:
    """Shows times as the account's people say them; turns "not now" into a page."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        if not isinstance(user, User) or user.account is None:
            return self.answer(request)
        with timezone.override(zoneinfo.ZoneInfo(user.account.time_zone)):
            return self.answer(request)

    def answer(self, request: HttpRequest) -> HttpResponse:
        """Return the view's answer; Django's for a wrong method is an empty page."""
        response = self.get_response(request)
        if isinstance(response, HttpResponseNotAllowed):
            page = refusal(request, HTTPStatus.METHOD_NOT_ALLOWED)
            page["Allow"] = response["Allow"]
            return page
        return response

    def process_exception(
        self, request: HttpRequest, error: Exception
    ) -> HttpResponse | None:
        if isinstance(error, Conflict):
            return refusal(request, HTTPStatus.CONFLICT, str(error))
        if isinstance(error, TransitionNotAllowed | ConcurrentTransition):
            return refusal(
                request,
                HTTPStatus.CONFLICT,
                _("Somebody changed this in the meantime. Look at it as it is now."),
            )
        return None


def page_frame(request: HttpRequest) -> dict[str, Any]:
    """Return what base.html needs on every page; no query."""
    theme, user = request.COOKIES.get("theme", ""), getattr(request, "user", None)
    roles = ", ".join(sorted(role_names(user))) if isinstance(user, User) else ""
    return {
        "theme": theme if theme in {"light", "dark"} else "",
        "page_address": page_address(request),
        "role_label": roles.capitalize(),
    }


def refusal(request: HttpRequest, status: HTTPStatus, text: str = "") -> HttpResponse:
    """Render the page of an error status with the text that says what to do."""
    match = request.resolver_match
    if match and getattr(match.func, "speaks_json", False):
        said = {"error": status.name.lower(), "message": text or status.description}
        return JsonResponse(said, status=status)
    return render(request, f"{status.value}.html", {"text": text}, status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return refusal(request, HTTPStatus.BAD_REQUEST)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return refusal(request, HTTPStatus.FORBIDDEN, str(exception))


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return refusal(request, HTTPStatus.NOT_FOUND)


@login_not_required
def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Explain an expired form: the person did nothing wrong."""
    text = _(
        "This page was open for too long, or cookies are blocked. Go back, reload the "
        "page and send it again; what you typed is still in the form."
    )
    return refusal(request, HTTPStatus.FORBIDDEN, text)


def client_address(request: HttpRequest) -> str:
    """Return who asks, for throttling; the rightmost PROXY_COUNT hops are our own."""
    hops = request.headers.get("X-Forwarded-For", "").split(",")
    if 0 < settings.PROXY_COUNT <= len(hops):
        with suppress(ValueError):
            return str(ip_address(hops[-settings.PROXY_COUNT].strip()))
    return str(request.META["REMOTE_ADDR"])


def too_many_logins(
    request: HttpRequest, response: HttpResponse | None, credentials: Any, *_args: Any
) -> HttpResponse:
    """Answer a guessed password; the same words whether or not the user exists."""
    minutes = round(settings.AXES_COOLOFF_TIME * 60)
    text = _("Too many failed logins. Wait %(n)s minutes, then try again.")
    text %= {"n": minutes}
    return refusal(request, HTTPStatus.TOO_MANY_REQUESTS, text)
