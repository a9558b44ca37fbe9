from django.contrib import admin
from django.urls import include, path

from l1walk.views.home import home, search

urlpatterns = [
    path("", home, name="home"),
    path("search/", search, name="search"),
    path("", include("workflows.urls")),
    path("", include("l1walk.urls")),
    path("jobs/", include("jobs.urls")),
    path("budgets/", include("jobs.budgets.urls")),
    path("support/", include("workflows.support.urls")),
    path("admin/", admin.site.urls),
]

handler400 = "workflows.core.http.bad_request"
handler403 = "workflows.core.http.permission_denied"
handler404 = "workflows.core.http.page_not_found"
