from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("workflows", "0006_session_is_a_case"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="workflowsession",
            index=models.Index(
                condition=models.Q(("current_step", "completed"), _negated=True),
                fields=["created_by", "-id"],
                name="ix_session_open",
            ),
        ),
    ]
