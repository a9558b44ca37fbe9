from django.urls import path

from l1walk.views import escalations, intake, lists, tickets, walks

app_name = "l1walk"

urlpatterns = [
    path("walks/", lists.walks, name="walks"),
    path("walks.csv", lists.walks_csv, name="walks_csv"),
    path("walks/new/", intake.intake, name="intake"),
    path("walks/new/suggestions/", intake.suggestions, name="suggestions"),
    path("walks/<uuid:pk>/", walks.walk, name="walk"),
    path("walks/<uuid:pk>/answer/", walks.answer, name="answer"),
    path("walks/<uuid:pk>/record/", walks.record, name="record"),
    path("walks/<uuid:pk>/undo/", walks.undo, name="undo"),
    path("walks/<uuid:pk>/resolve/", walks.resolve, name="resolve"),
    path("walks/<uuid:pk>/escalate/", walks.escalate, name="escalate"),
    path("walks/<uuid:pk>/abandon/", walks.abandon, name="abandon"),
    path("walks/<uuid:pk>/resume/", walks.resume, name="resume"),
    path("walks/<uuid:pk>/restart/", walks.restart, name="restart"),
    path("walks/<uuid:pk>/summary.txt", walks.summary, name="summary"),
    path("escalations/", escalations.queue, name="queue"),
    path("escalations/<uuid:pk>/", escalations.handoff, name="handoff"),
    path("escalations/<uuid:pk>/claim/", escalations.claim, name="claim"),
    path("escalations/<uuid:pk>/release/", escalations.release, name="release"),
    path("escalations/<uuid:pk>/reassign/", escalations.reassign, name="reassign"),
    path("escalations/<uuid:pk>/close/", escalations.close, name="close"),
    path("tickets/", tickets.tickets, name="tickets"),
    path("tickets/new/", tickets.new_ticket, name="new_ticket"),
    path("tickets/<uuid:pk>/", tickets.ticket, name="ticket"),
    path("tickets/<uuid:pk>/note/", tickets.note, name="ticket_note"),
    path("tickets/<uuid:pk>/reopen/", tickets.reopen, name="ticket_reopen"),
]
