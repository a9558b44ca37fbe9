import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("handrail")
app.config_from_object("django.conf:settings", namespace="CELERY")
# Celery's Django fixup closes the database connection around every task unless this
# is set; it is read without the namespace, so settings.py cannot hold it.
app.conf["CELERY_DB_REUSE_MAX"] = 1000
app.autodiscover_tasks()
