from django.urls import path

from jobs.views import api, header, job, lists, queues

app_name = "jobs"

urlpatterns = [
    path("", lists.jobs, name="jobs"),
    path("jobs.csv", lists.jobs_csv, name="jobs_csv"),
    path("rows/", lists.rows, name="rows"),
    path("badge/", header.badge, name="badge"),
    path("drawer/", header.drawer, name="drawer"),
    path("queues/", queues.queues, name="queues"),
    path("<uuid:pk>/", job.job, name="job"),
    path("<uuid:pk>/live/", job.live, name="live"),
    path("<uuid:pk>/progress/", job.progress, name="progress"),
    path("<uuid:pk>/cancel/", job.cancel, name="cancel"),
    path("<uuid:pk>/retry/", job.retry, name="retry"),
    path("api/", api.jobs, name="api_jobs"),
    path("api/<uuid:pk>/", api.job, name="api_job"),
    path("api/<uuid:pk>/events/", api.events, name="api_events"),
    path("api/<uuid:pk>/cancel/", api.cancel, name="api_cancel"),
    path("api/<uuid:pk>/retry/", api.retry, name="api_retry"),
]
