from django.db import migrations

from workflows.core.migrating import taking_along


class Migration(migrations.Migration):
    dependencies = [("jobs", "0003_roles")]
    operations = [
        taking_along("jobs_jobstep", "job_id"),
        taking_along("jobs_jobevent", "job_id"),
        taking_along("jobs_jobattempt", "job_id"),
    ]
