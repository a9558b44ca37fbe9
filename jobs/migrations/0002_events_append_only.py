from django.db import migrations

from workflows.core.migrating import append_only, on_postgresql

# The tables of a queue: their dead rows must go before claims have to step over them.
BUSY = "autovacuum_vacuum_scale_factor = 0.01, autovacuum_analyze_scale_factor = 0.02"


class Migration(migrations.Migration):
    dependencies = [("jobs", "0001_initial")]
    operations = [
        append_only("jobs_jobevent", events=("UPDATE",)),
        append_only("jobs_jobattempt", events=("UPDATE",)),
        on_postgresql(
            f"ALTER TABLE jobs_job SET ({BUSY})",
            "ALTER TABLE jobs_job RESET "
            "(autovacuum_vacuum_scale_factor, autovacuum_analyze_scale_factor)",
        ),
    ]
