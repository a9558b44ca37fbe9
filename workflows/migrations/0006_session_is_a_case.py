from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("workflows", "0005_support_roles"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="workflowsession",
            options={
                "permissions": [
                    ("run_support", "Collect reports and attach them to Jira")
                ],
                "verbose_name": "case",
                "verbose_name_plural": "cases",
            },
        ),
    ]
