from django.db import migrations
from django.db.models.functions import Now

KIND = "l1walk.notify_engineers"


def forwards(apps, editor):
    """What is still owed to the engineers is sent by jobs from now on."""
    walks = apps.get_model("l1walk", "L1WalkSession")
    Job = apps.get_model("jobs", "Job")
    JobEvent = apps.get_model("jobs", "JobEvent")
    ContentType = apps.get_model("contenttypes", "ContentType")
    kind, _made = ContentType.objects.get_or_create(
        app_label="l1walk", model="l1walksession"
    )
    for walk in walks.objects.filter(notice_due_at__isnull=False).iterator():
        job = Job.objects.create(
            account_id=walk.account_id,
            type=KIND,
            subject_type=kind,
            subject_id=walk.pk,
            queue="default",
            max_attempts=9,
        )
        JobEvent.objects.create(job=job, status="queued")


def backwards(apps, editor):
    walks = apps.get_model("l1walk", "L1WalkSession")
    Job = apps.get_model("jobs", "Job")
    owed = Job.objects.filter(type=KIND, status="queued")
    walks.objects.filter(pk__in=owed.values("subject_id")).update(notice_due_at=Now())
    owed.delete()


class Migration(migrations.Migration):
    dependencies = [("l1walk", "0003_roles"), ("jobs", "0003_roles")]
    operations = [migrations.RunPython(forwards, backwards)]
