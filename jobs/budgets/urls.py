from django.urls import path

from jobs.budgets.views import (
    budgets,
    connecting,
    deciding,
    importing,
    plan,
    review,
    settings,
    snapshots,
)

app_name = "budgets"

urlpatterns = [
    path("", budgets.budgets, name="budgets"),
    path("connect/", connecting.connect, name="connect"),
    path("connect/budget/", connecting.connect_file, name="connect_file"),
    path("import/", importing.import_file, name="import_file"),
    path("import/question/", importing.import_choice, name="import_choice"),
    path("demo/", connecting.demo, name="demo"),
    path("<uuid:pk>/", budgets.budget, name="budget"),
    path("<uuid:pk>/sync/", budgets.sync, name="sync"),
    path("<uuid:pk>/suggest/", budgets.suggest, name="suggest"),
    path("<uuid:pk>/review/", review.review, name="review"),
    path("<uuid:pk>/review/payee/", review.card, name="card"),
    path("<uuid:pk>/review/decide/", deciding.decide, name="decide"),
    path("<uuid:pk>/review/back/", deciding.take_back, name="take_back"),
    path("<uuid:pk>/review/undo/", deciding.undo, name="undo"),
    path("<uuid:pk>/review/sure/", deciding.approve_sure, name="approve_sure"),
    path("<uuid:pk>/review/again/", deciding.look_again, name="look_again"),
    path("<uuid:pk>/review/again/<uuid:job>/", deciding.looking, name="looking"),
    path("<uuid:pk>/plan/", plan.plan, name="plan"),
    path("<uuid:pk>/plan/remove/", plan.plan_remove, name="plan_remove"),
    path("<uuid:pk>/apply/", plan.apply, name="apply"),
    path("<uuid:pk>/apply/<uuid:job>/", plan.report, name="report"),
    path("<uuid:pk>/snapshots/", snapshots.snapshot_list, name="snapshots"),
    path("<uuid:pk>/snapshots/take/", snapshots.snapshot_take, name="snapshot_take"),
    path(
        "<uuid:pk>/snapshots/<uuid:snapshot>/file/",
        snapshots.snapshot_download,
        name="snapshot_download",
    ),
    path(
        "<uuid:pk>/snapshots/<uuid:snapshot>/restore/",
        snapshots.snapshot_restore,
        name="snapshot_restore",
    ),
    path(
        "<uuid:pk>/snapshots/<uuid:snapshot>/delete/",
        snapshots.snapshot_delete,
        name="snapshot_delete",
    ),
    path("<uuid:pk>/settings/", settings.settings, name="settings"),
    path("<uuid:pk>/settings/name/", settings.rename, name="rename"),
    path("<uuid:pk>/settings/schedule/", settings.schedule, name="schedule"),
    path("<uuid:pk>/settings/connection/", settings.connection, name="connection"),
    path("<uuid:pk>/settings/remove/", settings.remove, name="remove"),
]
