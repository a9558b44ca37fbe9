from django.contrib.postgres.operations import TrigramExtension
from django.db import migrations

from workflows.core.migrating import append_only, on_postgresql


STEP = (
    "id",
    "session_id",
    "seq",
    "node_id",
    "node_type",
    "question_text",
    "answer_key",
    "answer_label",
    "note",
    "actor_id",
    "shown_at",
    "answered_at",
    "idempotency_key",
)


class Migration(migrations.Migration):
    dependencies = [("l1walk", "0001_initial")]
    operations = [
        append_only("l1walk_flowversion", events=("UPDATE",)),
        append_only("l1walk_ticketnote", events=("UPDATE",)),
        # Taking an answer back marks the step; nothing else of it ever changes.
        append_only("l1_walk_steps", events=("UPDATE",), columns=STEP),
        TrigramExtension(),
        # icontains compares UPPER(column): an index on the bare column is ignored.
        on_postgresql(
            "CREATE INDEX ix_ticket_words ON l1walk_ticket "
            "USING gin (UPPER(title) gin_trgm_ops, UPPER(requester) gin_trgm_ops)",
            "DROP INDEX ix_ticket_words",
        ),
    ]
