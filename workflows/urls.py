from django.contrib.auth import views as auth
from django.contrib.auth.decorators import login_not_required
from django.urls import path

from workflows.core import health, views

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path(
        "login/", auth.LoginView.as_view(redirect_authenticated_user=True), name="login"
    ),
    path("logout/", login_not_required(auth.LogoutView.as_view()), name="logout"),
    path("password/", auth.PasswordChangeView.as_view(), name="password_change"),
    path(
        "password/done/",
        auth.PasswordChangeDoneView.as_view(),
        name="password_change_done",
    ),
    path("theme/", views.theme, name="theme"),
    path("profile/", views.profile, name="profile"),
    path("account/", views.account_settings, name="account_settings"),
    path("connections/", views.connections, name="connections"),
    path(
        "connections/<uuid:pk>/revoke/",
        views.connection_revoke,
        name="connection_revoke",
    ),
]
