from django.db import migrations

from workflows.core.migrating import grant

VIEW = [
    "jobs.job.view_job",
    "jobs.job.view_queues",
    "jobs.schedule.view_schedule",
    "jobs.worker.view_worker",
]
RIGHTS = {
    "engineer": ["jobs.job.manage_job"],
    "manager": ["jobs.job.manage_job", *VIEW],
}


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0002_events_append_only"),
        ("workflows", "0003_roles"),
    ]
    operations = [grant(RIGHTS)]
