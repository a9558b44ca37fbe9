import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("l1walk", "0004_roles")]

    operations = [
        migrations.AlterField(
            model_name="l1walksession",
            name="flow_version",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.RESTRICT,
                related_name="walks",
                to="l1walk.flowversion",
            ),
        ),
        migrations.AddIndex(
            model_name="l1walksession",
            index=models.Index(
                fields=["account", "started_at"], name="ix_l1_walk_sessions_started"
            ),
        ),
    ]
