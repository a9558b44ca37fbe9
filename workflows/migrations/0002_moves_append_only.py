from django.db import migrations

from workflows.core.migrating import append_only


class Migration(migrations.Migration):
    dependencies = [("workflows", "0001_initial")]
    operations = [append_only("workflows_move")]
