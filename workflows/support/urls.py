from django.urls import path

from workflows.support.views import (
    archives,
    cases,
    failures,
    home,  # noqa: F401  (registers its section)
    hosts,
)

app_name = "support"

urlpatterns = [
    path("", cases.cases, name="cases"),
    path("cases.csv", cases.cases_csv, name="cases_csv"),
    path("failures/", failures.failures, name="failures"),
    path("start/", cases.start, name="start"),
    path("hosts/", hosts.hosts, name="hosts"),
    path("hosts/new/", hosts.host_new, name="host_new"),
    path("hosts/<uuid:pk>/", hosts.host, name="host"),
    path("hosts/<uuid:pk>/key/", hosts.host_key, name="host_key"),
    path("hosts/<uuid:pk>/check/", hosts.host_prerequisites, name="host_prerequisites"),
    path("hosts/<uuid:pk>/retire/", hosts.host_retire, name="host_retire"),
    path("hosts/<uuid:pk>/back/", hosts.host_bring_back, name="host_bring_back"),
    path("<uuid:pk>/", cases.CaseWizard.as_view(), name="case"),
    path("<uuid:pk>/done/", cases.done, name="done"),
    path("<uuid:pk>/host/", cases.host_check, name="host_check"),
    path("<uuid:pk>/archives/<uuid:archive>/", archives.archive, name="archive"),
    path(
        "<uuid:pk>/archives/<uuid:archive>/file/",
        archives.archive_download,
        name="archive_download",
    ),
    path(
        "<uuid:pk>/archives/<uuid:archive>/delete/",
        archives.archive_delete,
        name="archive_delete",
    ),
    path("<uuid:pk>/<slug:page>/", cases.CaseWizard.as_view(), name="page"),
]
